"""Imports run one way, heavy packages stay where they belong, and importing anything does nothing."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("aurora", "ingestion", "transform", "ml", "app", "orchestration")
MIDDLE = set(PACKAGES) - {"aurora", "orchestration"}
ALLOWED = {"aurora": {"aurora"}, "orchestration": set(PACKAGES)} | {name: {"aurora", name} for name in MIDDLE}
ONLY_IN = {
    "dagster": {"orchestration"},
    "dlt": {"ingestion", "orchestration"},
    "dbt": {"transform"},
    "prophet": {"ml"},
    "mlflow": {"ml"},
    "streamlit": {"app"},
    "paho": {"ingestion"},
    "amqtt": {"ingestion"},
    "deltalake": {"aurora"},
}
HEAVY = {"mlflow", "prophet", "dbt", "dlt", "sklearn", "pandas"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "versions" not in path.parts)


def _imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def _at_top_level(tree: ast.Module) -> set[str]:
    return {name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name in _imported(node)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_its_package_may(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = _imported(tree)
    assert imported & set(PACKAGES) <= ALLOWED[package], f"{package} must not import {imported & set(PACKAGES) - ALLOWED[package]}"
    for library, packages in ONLY_IN.items():
        assert library not in imported or package in packages, f"{library} belongs to {packages}"
    assert not _at_top_level(tree) & HEAVY, "heavy packages are imported where they are used"
    if package == "aurora" and "domain" in path.parts:
        assert not imported & {"sqlalchemy", "deltalake", "duckdb", "httpx", "fastapi"}, "the domain is pure"
        assert "aurora.lake" not in path.read_text(encoding="utf-8")


def test_lists_of_forecast_advice_and_savings_do_not_import_one_another() -> None:
    for part in ("forecast", "advice", "savings"):
        for path in (ROOT / "ml" / part).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not any(f"from ml.{other}" in text for other in {"forecast", "advice", "savings"} - {part}), path


def test_importing_every_module_has_no_effect(tmp_path: Path) -> None:
    """With an empty environment, in an empty folder, without a home, every module imports and leaves nothing behind."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if path.name not in {"__main__.py", "env.py"} and "pages" not in path.parts
    ]
    program = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "nobody")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == []
