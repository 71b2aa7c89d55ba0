"""Sites, devices and members by command and from a file; the table of rights in the documents."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aurora.accounts import devices, keys, memberships, people, site_files, sites
from aurora.accounts.database import Accounts
from aurora.accounts.models import Site, User
from aurora.accounts.rights import RIGHTS
from aurora.errors import Conflict, Refused, Unknown, WrongFacts
from aurora.home import Home
from orchestration.cli.commands import cli
from orchestration.cli.facts import SITE_FACTS, as_fact

PLACE = {"time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4}
HEADER = "name,time_zone,latitude,longitude,country,pv_capacity_kw,site_id\n"


@pytest.fixture
def aurora(home: Home, accounts: Accounts, admin: User, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path) -> Callable[..., dict]:
    """Runs a command with --json in this process and returns what it prints."""
    monkeypatch.setenv("AURORA_HOME", str(home.path))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> dict:
        capsys.readouterr()
        cli([*arguments, "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    return run


def csv_of(lines: list[str], folder: Path) -> str:
    file = folder / "sites.csv"
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8-sig")
    return str(file)


def test_three_hundred_sites_come_from_a_file_at_once(aurora, accounts: Accounts, tmp_path: Path) -> None:
    file = csv_of([f'"Site {number % 100}, east",Europe/Berlin,52.5,13.4,DE,{number / 10},' for number in range(300)], tmp_path)
    assert len(aurora("site", "import", file, "--dry-run")["sites"]) == 300
    assert sites.all_sites(accounts) == []
    made = aurora("site", "import", file)["sites"]
    assert len(set(made)) == 300
    known = {site.site_id: site for site in sites.all_sites(accounts)}
    assert known.keys() == set(made)
    assert (known[made[123]].name, known[made[123]].pv_capacity_kw, known[made[123]].country) == ("Site 23, east", 12.3, "DE")
    assert len(people.visible_sites(accounts, people.user_by_name(accounts, "ada").user_id, datetime.now(UTC))) == 300


def test_file_with_bad_rows_makes_nothing_and_names_each_line(aurora, accounts: Accounts, tmp_path: Path) -> None:
    good = "A,Europe/Berlin,52.5,13.4,DE,,"
    lines = [good, "B,Europe/Berlin,95,13.4,DE,,", good, ",UTC,1,1,,,", "C,UTC,x,1,ZZ,-1,", "D,UTC,nan,1,,,"]
    with pytest.raises(Refused) as refused:
        aurora("site", "import", csv_of(lines, tmp_path))
    assert sorted(set(re.findall(r"line (\d+)", str(refused.value)))) == ["3", "5", "6", "7"]
    assert all(name in str(refused.value) for name in ("latitude", "name", "country", "pv_capacity_kw"))
    assert sites.all_sites(accounts) == []


def test_file_with_a_taken_id_makes_nothing_and_names_its_line(aurora, accounts: Accounts, tmp_path: Path) -> None:
    lines = ["A,UTC,1,1,,,one", "B,UTC,1,1,,,two", "C,UTC,1,1,,,one"]
    with pytest.raises(Refused, match="line 4"):
        aurora("site", "import", csv_of(lines, tmp_path))
    assert sites.all_sites(accounts) == []


@pytest.mark.parametrize(
    "text",
    ["", "name\n", "nome;time_zone\nA;UTC\n", "name,name\nA,B\n", 'name,time_zone\n"A,UTC\n', HEADER + "A,UTC,1\n", "owner,name\nx,A\n"],
)
def test_file_that_is_no_list_of_sites_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        site_files.read_sites(text, as_fact)


def test_each_fact_of_a_site_can_be_set_by_command(aurora, accounts: Accounts, site: Site) -> None:
    devices.add_device(accounts, "home", name="Station", kind="weather_station", device_id="station")
    columns = {column.name for column in Site.__table__.columns}
    assert set(SITE_FACTS) == columns - {"site_id", "created_at", "past_time_zones"}
    given = {
        "name": "=New", "occupants": "3", "heating": "gas", "appliances": "sauna", "floor_area_m2": "120.5", "country": "",
        "latitude": "-1.5", "weather_station_id": "station",
    }  # fmt: skip
    options = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert set(aurora("site", "set", "home", *options)["changed"]) == given.keys()
    known = sites.find_site(accounts, "home")
    assert (known.name, known.occupants, known.floor_area_m2, known.country, known.latitude) == ("=New", 3, 120.5, None, -1.5)
    with pytest.raises(WrongFacts, match="occupants"):
        aurora("site", "set", "home", "--occupants", "many")


def test_device_is_changed_moved_retired_and_its_key_ended_by_command(aurora, accounts: Accounts, site: Site, admin: User) -> None:
    sites.add_site(accounts, admin, name="Other", site_id="other", **PLACE)
    devices.add_device(accounts, "home", name="Meter", kind="meter", device_id="meter")
    assert aurora("device", "set", "meter", "--role", "sub", "--interval-seconds", "60")["changed"] == ["interval_seconds", "role"]
    assert aurora("device", "move", "meter", "--site", "Other") == {"device_id": "meter", "site_id": "other"}
    key = aurora("device", "key", "meter")
    assert aurora("device", "key", "meter", "--revoke", key["key_id"])["is_revoked"] is True
    assert keys.holder_of(accounts, key["key"]) is None
    with pytest.raises(Unknown):
        aurora("device", "key", "meter", "--revoke", "nothing")
    aurora("device", "retire", "meter", "--at", "2030-01-01T00:00:00+01:00")
    known = devices.find_device(accounts, "meter")
    assert (known.role, known.site_id, known.retired_at) == ("sub", "other", datetime(2029, 12, 31, 23, tzinfo=UTC))
    assert not devices.is_retired(known, datetime(2029, 12, 31, tzinfo=UTC))
    assert devices.is_retired(known, datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(Refused, match="offset"):
        aurora("device", "retire", "meter", "--at", "2030-01-01T00:00:00")


def test_members_are_added_listed_and_removed_by_command(aurora, accounts: Accounts, site: Site) -> None:
    bob = people.add_user(accounts, "bob", "correct horse battery", "user")
    with pytest.raises(WrongFacts, match="ends_at"):
        aurora("member", "add", "bob", "--site", "home", "--role", "consultant")
    aurora("member", "add", "bob", "--site", "home", "--role", "consultant", "--ends-at", "2100-01-01T00:00:00Z")
    assert {row["username"]: row["role"] for row in aurora("member", "list", "--site", "Home")["members"]} == {
        "ada": "owner",
        "bob": "consultant",
    }
    assert aurora("member", "remove", "bob", "--site", "home")["user_id"] == bob.user_id
    with pytest.raises(Conflict):
        aurora("member", "remove", "ada", "--site", "home")


def test_owner_who_has_left_does_not_keep_a_site_owned(accounts: Accounts, site: Site, admin: User) -> None:
    people.add_user(accounts, "bob", "correct horse battery", "user")
    memberships.add_member(accounts, "home", username="bob", role="owner")
    people.disable(accounts, "bob")
    with pytest.raises(Conflict):
        memberships.remove_member(accounts, "home", admin.user_id)


def test_role_ends_with_its_membership(accounts: Accounts, site: Site) -> None:
    bob = people.add_user(accounts, "bob", "correct horse battery", "user")
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    memberships.add_member(accounts, "home", username="bob", role="consultant", ends_at=ends_at)
    assert memberships.role_at(accounts, bob.user_id, "home", ends_at - timedelta(seconds=1)) == "consultant"
    assert memberships.role_at(accounts, bob.user_id, "home", ends_at) is None


def test_documents_show_the_table_of_rights() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    shown = {
        row[0]: {role for role, mark in zip(("owner", "consultant", "viewer"), row[1:], strict=True) if mark == "yes"}
        for row in re.findall(r"^\| `(\w+)` [^|]*\| (\w*) *\| (\w*) *\| (\w*) *\|$", text, re.MULTILINE)
    }
    assert shown == {right: set(roles) for right, roles in RIGHTS.items()}
