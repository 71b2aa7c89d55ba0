"""Descriptions that one process makes and another shows: the OpenAPI of ingestion, which the API joins with its own.

`make descriptions` writes them; a test says when they are stale.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

INGEST = "ingest.openapi.json"


def ingest_description() -> dict[str, Any]:
    """OpenAPI of the ingestion process."""
    return json.loads(resources.files(__name__).joinpath(INGEST).read_text(encoding="utf-8"))


def folder() -> Path:
    """Where the files are, for the command that writes them."""
    return Path(__file__).parent
