"""The catalogue of texts, and figures as people read them."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.forms import TITLES
from aurora.domain import formats
from aurora.domain.texts import catalogue, text

ROOT = Path(__file__).parents[2]
RULE_IDS = re.findall(r'Advice\(\s*"([a-z_]+)"', (ROOT / "aurora" / "domain" / "advice.py").read_text())
CALL = re.compile(r"""\btext\(\s*["']([a-z_]+(?:\.[a-z0-9_]+)+)["']""")
# Texts of a page's template: `$login_title` is `login.title`.
TEMPLATE = re.compile(r"\$(app|login|account)_([a-z_]+)")
# Keys put together from a channel, a state, a role, a kind of decision or finding, a figure or a length of time where they are used.
PUT_TOGETHER = (
    "channel.", "now.", "week.", "forecast.", "login.", "age.", "account.role_", "meter_kind.", "column.", "finding.", "severity.",
    "device_state.",
)  # fmt: skip
# Keys that are the `message_key` of an anomaly or recommendation.
TOLD = ("anomaly.", *(f"advice.{rule_id}." for rule_id in RULE_IDS))


def used_keys() -> set[str]:
    templates = (ROOT / "app" / "assets").glob("*.html")
    in_pages = {".".join(found) for file in templates for found in TEMPLATE.findall(file.read_text())}
    return (
        in_pages
        | set(TITLES.values())
        | {
            key
            for folder in ("app", "aurora", "ml", "transform")
            for file in (ROOT / folder).rglob("*.py")
            for key in CALL.findall(file.read_text())
        }
    )


def test_texts_hold_every_key_the_code_asks_for() -> None:
    assert used_keys() - catalogue("en").keys() == set()
    assert len(used_keys()) > 40


def test_texts_hold_no_key_that_nothing_asks_for() -> None:
    idle = {key for key in catalogue("en").keys() - used_keys() if not key.startswith((*PUT_TOGETHER, *TOLD))}
    assert idle == set()


def test_texts_tell_every_rule_of_advice() -> None:
    assert len(RULE_IDS) >= 4
    assert {f"advice.{rule_id}.{part}" for rule_id in RULE_IDS for part in ("title", "description", "action")} <= catalogue("en").keys()


def test_text_is_missing_loudly_and_falls_back_to_english() -> None:
    with pytest.raises(KeyError):
        text("login.no_such_text")
    assert text("login.title", "xx") == text("login.title") == "Sign in to Aurora"
    assert text("login.title", "../en") == "Sign in to Aurora"


def test_text_does_not_read_what_it_is_given_as_text() -> None:
    assert text("api.no_such_site", site_id="{language}") == "There is no site {language} among yours."


@pytest.mark.parametrize(
    ("kwh", "shown"),
    [(None, "–"), (0.0, "0.00 kWh"), (3.14159, "3.14 kWh"), (45.67, "45.7 kWh"), (1234.5, "1,234 kWh"), (12_345.0, "12.3 MWh")],
)
def test_energy_is_shown_with_sensible_digits(kwh: float | None, shown: str) -> None:
    assert formats.energy(kwh) == shown


@pytest.mark.parametrize(
    ("kw", "shown"), [(None, ("–", "")), (0.0, ("0", "W")), (0.64, ("640", "W")), (0.9999, ("1.00", "kW")), (12.34, ("12.3", "kW"))]
)
def test_power_is_shown_in_watts_below_a_kilowatt(kw: float | None, shown: tuple[str, str]) -> None:
    assert formats.power(kw) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (Decimal("12.345"), "EUR", "€12.34"),
        (Decimal(-3), "USD", "-$3.00"),
        (Decimal(1200), "JPY", "¥1,200"),
        (None, "EUR", "–"),
        (1, None, "–"),
    ],
)
def test_money_is_shown_as_its_currency_is(amount: Decimal | None, currency: str | None, shown: str) -> None:
    assert formats.money(amount, currency) == shown


def test_times_are_shown_on_the_sites_clock() -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert formats.clock(moment, "Europe/Berlin") == "03:30"
    assert formats.clock(moment, "Asia/Kathmandu") == "07:15"
    assert formats.day_name(date(2026, 3, 29)) == "Sunday, 29 March"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0 s"), (3, "3 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_shown_in_their_largest_whole_unit(seconds: int, shown: str) -> None:
    assert formats.duration(timedelta(seconds=seconds)) == shown
