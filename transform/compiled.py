"""The dbt project as plain SQL: compiled by dbt once for each version of it, then run on every workbench without dbt.

A dbt run costs 2 to 3 s beside the SQL itself, and 5 s of imports in a new process; what it would run is the same every time. So the
statements are kept beside dbt's own files, in the order of the models' references, each model followed by its tests.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import yaml

from aurora.errors import AuroraError

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
PROFILE, TARGET = "aurora", "workbench"
SOURCES = (".sql", ".yml")
MADE_BY_DBT = ("target", "logs")


class BuildFailed(AuroraError):
    """A model or a test of the dbt project failed; nothing was published."""


@dataclass(frozen=True)
class Statement:
    """One model or test.

    Attributes:
        name: As dbt calls it.
        kind: `view`, `table` or `test`.
        relation: Where a model goes; empty for a test.
        sql: The select; a test's gives the rows that fail it.
        contract: Column names and types that a model promises, in order; empty where it promises none.
    """

    name: str
    kind: str
    relation: str
    sql: str
    contract: list[tuple[str, str]] = field(default_factory=list)


def statements(target: Path, compile_project: Callable[[], None]) -> list[Statement]:
    """What builds gold, in order.

    Args:
        target: Folder of dbt's own files; holds the statements between refreshes.
        compile_project: Lets dbt write its manifest there; called only where the project is not the one compiled last.
    """
    kept, version = target / "statements.json", project_version()
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get("version") != version:
        compile_project()
        found = _ordered(json.loads((target / "manifest.json").read_text(encoding="utf-8")))
        known = {"version": version, "statements": [asdict(statement) for statement in found]}
        partial = kept.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(known), encoding="utf-8")
        partial.replace(kept)
    return [Statement(**row | {"contract": [(name, kind) for name, kind in row["contract"]]}) for row in known["statements"]]


@cache
def project_version() -> str:
    """Names the project's files and the dbt that compiles them."""
    told = hashlib.sha256()
    for package in ("dbt-core", "dbt-duckdb"):
        told.update(importlib.metadata.version(package).encode())
    for path in sorted(PROJECT.rglob("*")):
        place = path.relative_to(PROJECT)
        if path.suffix in SOURCES and place.parts[0] not in MADE_BY_DBT:
            told.update(f"{place}\0".encode() + path.read_bytes())
    return told.hexdigest()


@cache
def session_settings() -> dict[str, Any]:
    """DuckDB's settings, as dbt's profile has them."""
    output = yaml.safe_load((PROJECT / "profiles.yml").read_text(encoding="utf-8"))[PROFILE]["outputs"][TARGET]
    return {**output["settings"], "threads": output["threads"]}


def _ordered(manifest: dict[str, Any]) -> list[Statement]:
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] in {"model", "test"}}
    graph = {key: [parent for parent in node["depends_on"]["nodes"] if parent in nodes] for key, node in sorted(nodes.items())}
    return [_statement(nodes[key]) for key in TopologicalSorter(graph).static_order()]


def _statement(node: dict[str, Any]) -> Statement:
    kind = node["config"]["materialized"]
    is_promised = (node["config"].get("contract") or {}).get("enforced", False)
    promised = [(column["name"], column["data_type"]) for column in node["columns"].values()] if is_promised else []
    return Statement(node["name"], kind, node.get("relation_name") or "", node["compiled_code"], promised)


def run(connection: duckdb.DuckDBPyConnection, to_do: list[Statement]) -> None:
    """Make every model and try every test.

    Raises:
        BuildFailed: Names the model that cannot be made or breaks its contract, or the test that rows fail.
    """
    for name, value in session_settings().items():
        connection.execute(f"set {name} = '{value}'")
    for statement in to_do:
        try:
            problem = _run_one(connection, statement)
        except duckdb.Error as error:
            problem = " ".join(str(error).split())
        if problem:
            raise BuildFailed(f"dbt's {statement.name} could not be built: {problem}")


def _run_one(connection: duckdb.DuckDBPyConnection, statement: Statement) -> str:
    """Why a statement did not do what it should; empty where it did."""
    if statement.kind == "test":
        failing = connection.execute(f"select count(*) from ({statement.sql}\n)").fetchone()
        return f"{failing[0]} rows fail this test" if failing and failing[0] else ""
    connection.execute(f"create {statement.kind} {statement.relation} as (\n{statement.sql}\n)")
    if not statement.contract:
        return ""
    promised = _types(connection, ", ".join(f'null::{kind} as "{name}"' for name, kind in statement.contract))
    made = [(row[0], row[1]) for row in connection.execute(f"describe {statement.relation}").fetchall()]
    if sorted(made) == sorted(promised):
        return ""
    differing = sorted(set(made) ^ set(promised))
    return "its columns are not those of its contract: " + ", ".join(f"{name} {kind}" for name, kind in differing)


def _types(connection: duckdb.DuckDBPyConnection, columns: str) -> list[tuple[str, str]]:
    """Names and types of columns, types as DuckDB writes them."""
    return [(row[0], row[1]) for row in connection.execute(f"describe select {columns}").fetchall()]
