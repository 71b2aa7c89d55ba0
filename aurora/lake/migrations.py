"""Brings a lake that an older Aurora wrote to the schema of this one, table by table.

Each table says in its property `aurora.schema_version` which schema it has. New columns are nullable, so adding them is one change of the
table's metadata: older files are left as they are and read with nulls. What is more than that is a step of its own in `STEPS`, numbered by
the table and the version that it leads to, and must bear being done again: the property is raised after it.
"""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable
from dataclasses import dataclass

from deltalake import Schema

from aurora.lake.schemas import SCHEMA_VERSION, schema_version_of
from aurora.lake.store import Lake
from aurora.lake.tables import TABLES, LakeTable

Step = Callable[[Lake, LakeTable], None]


def _set_properties(lake: Lake, table: LakeTable) -> None:
    lake.delta(table.name).alter.set_table_properties(table.properties, raise_if_not_exists=False)


STEPS: dict[tuple[str, int], Step] = {("bronze/readings", 2): _set_properties}


@dataclass(frozen=True)
class Migrated:
    """One table that was brought on.

    Attributes:
        name: The table.
        before: Its schema version before; 0 where it was not there.
        columns: Names that it gained.
    """

    name: str
    before: int
    columns: list[str]


def bring_up_to_date(lake: Lake) -> list[Migrated]:
    """Create what is missing of all declared tables and migrate the others; does nothing where all are as they should be.

    Cut short anywhere it can be done again. Rows that land meanwhile are kept: their writer tries again.

    Raises:
        Refused: If a table was written by a later Aurora.
    """
    missing = {name for name in TABLES if not lake.is_there(name)}
    done = [migrated for name in TABLES if name not in missing and (migrated := _migrate(lake, TABLES[name])) is not None]
    if missing:
        lake.create_tables()
    return [*done, *(Migrated(name, 0, TABLES[name].schema.names) for name in sorted(missing))]


def _migrate(lake: Lake, table: LakeTable) -> Migrated | None:
    opened = lake.delta(table.name)
    before = schema_version_of(opened)
    known = {field.name for field in opened.schema().fields}
    fresh = [field for field in Schema.from_arrow(table.schema).fields if field.name not in known]
    if before == table.schema_version and not fresh:
        return None
    if fresh:
        opened.alter.add_columns(fresh)
    for version in range(before + 1, table.schema_version + 1):
        if (table.name, version) in STEPS:
            STEPS[table.name, version](lake, table)
    opened.alter.set_table_properties({SCHEMA_VERSION: str(table.schema_version)}, raise_if_not_exists=False)
    return Migrated(table.name, before, [field.name for field in fresh])
