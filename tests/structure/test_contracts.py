"""The documents hold: what they promise is there, and what is there they name."""

import re
from pathlib import Path

import pytest
import typer.main

from app.api.server import build, open_services
from aurora.accounts.database import Accounts
from aurora.home import Home
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES
from aurora.settings import Settings
from orchestration.cli.commands import cli

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONTRACTS = (DOCS / "contracts.md").read_text(encoding="utf-8")


def _rows(title: str) -> list[list[str]]:
    section = CONTRACTS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    return [[row[0].strip("`"), *row[1:]] for row in cells]


def test_every_table_is_documented_with_its_key_and_columns() -> None:
    documented = {row[0]: row for row in _rows("Tables")}
    assert documented.keys() == TABLES.keys()
    for name, table in TABLES.items():
        assert documented[name][1].split(", ") == list(table.key), name
        assert documented[name][2].split(", ") == table.schema.names, name


def test_made_lake_has_the_documented_columns_and_schema_versions(lake: Lake) -> None:
    for row in _rows("Tables"):
        opened = lake.delta(row[0])
        assert [field.name for field in opened.schema().fields] == row[2].split(", ")
        assert opened.metadata().configuration["aurora.schema_version"] == str(TABLES[row[0]].schema_version)


def test_every_command_is_documented() -> None:
    commands = typer.main.get_command(cli).commands  # pyright: ignore
    shown = {f"aurora {name}" for name, command in commands.items() if not command.hidden}
    assert {row[0] for row in _rows("Commands")} == shown


def test_every_endpoint_is_documented(settings: Settings, home: Home, accounts: Accounts, lake: Lake) -> None:
    described = build(open_services(settings, home)).openapi()
    shown = {f"{method.upper()} {path}" for path, operations in described["paths"].items() for method in operations}
    assert {row[0] for row in _rows("REST")} == shown


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_setting_is_documented_with_its_default(name: str) -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    field = Settings.model_fields[name]
    line = re.search(rf"^\| `AURORA_{name.upper()}` \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    assert line is not None, f"docs/settings.md does not name AURORA_{name.upper()}"
    assert line[2] == field.description
    default = field.default_factory() if field.default_factory else field.default  # pyright: ignore
    shown = getattr(default, "get_secret_value", lambda: default)()
    assert line[1] == ("empty" if shown in ("", {}) else f"`{shown}`")
