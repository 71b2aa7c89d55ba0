"""Which schema a table has, and whether this Aurora may write to it."""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from deltalake import DeltaTable

from aurora.errors import NotReady, Refused
from aurora.lake.tables import TABLES, LakeTable

SCHEMA_VERSION = "aurora.schema_version"


def schema_version_of(opened: DeltaTable) -> int:
    """The schema version that a table says it has; 0 where it says none."""
    return int(opened.metadata().configuration.get(SCHEMA_VERSION) or 0)


def refuse_later(name: str, opened: DeltaTable) -> None:
    """Raise Refused where a later Aurora wrote the table."""
    version, known = schema_version_of(opened), TABLES[name].schema_version if name in TABLES else 0
    if version > known:
        raise Refused(f"{name} has schema version {version}, this Aurora knows {known}: a later one wrote it. Install that version again.")


def refuse_older(table: LakeTable, opened: DeltaTable) -> None:
    """Keep rows out of a table whose columns they do not match: raise NotReady where it was not migrated yet."""
    version = schema_version_of(opened)
    if version < table.schema_version:
        raise NotReady(
            f"{table.name} has schema version {version}, this Aurora writes {table.schema_version}."
            " Run `aurora init`, which brings the lake up to date and keeps what is there."
        )
