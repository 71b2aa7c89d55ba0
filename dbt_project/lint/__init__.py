"""What the SQL linter sees of dbt: the project's variables."""

from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).parent.parent / "dbt_project.yml"


def var(name: str) -> Any:
    """A variable of the dbt project."""
    return yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"][name]
