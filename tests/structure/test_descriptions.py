"""What describes Aurora to programs is what the code does, and what it promised once is still there."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from aurora.domain.channels import CHANNELS
from ingestion import payloads
from ingestion.decoders import aurora as decoder
from ingestion.messages import DeviceFacts, Limits, Message
from orchestration.descriptions import ROOT, everything

WAY_OUT = "Run `make descriptions` and look at what changed: programs of others rely on it."
PLACES = {"sites", "devices", "keys", "members", "tariffs", "ingest"}


@pytest.fixture(scope="module")
def made() -> dict[Path, str]:
    return everything()


def test_descriptions_are_not_stale(made: dict[Path, str]) -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    assert stale == [], WAY_OUT


def test_openapi_is_valid_and_describes_both_doors(made: dict[Path, str]) -> None:
    described = json.loads(made[ROOT / "docs" / "openapi.json"])
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []
    assert {"/v1/sites", "/v1/ingest/energy_data", "/v1/ingest/weather_data"} <= described["paths"].keys()
    assert all(path.startswith("/v1/") for path in described["paths"])


def test_path_parameters_have_their_agreed_names(made: dict[Path, str]) -> None:
    described = json.loads(made[ROOT / "docs" / "openapi.json"])
    names = {part[1:-1] for path in described["paths"] for part in path.split("/") if part.startswith("{")}
    assert all(name.endswith("_id") or name in {"layer", "name"} for name in names), names


def test_every_json_answer_and_every_body_on_places_shows_an_example(made: dict[Path, str]) -> None:
    described = json.loads(made[ROOT / "docs" / "openapi.json"])
    bare = [
        f"{method} {path} {where}"
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        for where, content in _contents(operation)
        if (where[0] == "2" or operation["tags"][0] in PLACES) and not _has_example(described, content)
    ]
    assert bare == []


@pytest.mark.parametrize("file", ["docs/openapi.json", "aurora/domain/descriptions/ingest.openapi.json"])
def test_every_example_is_of_its_schema(made: dict[Path, str], file: str) -> None:
    described = json.loads(made[ROOT / file])
    schemas = {name: _closed(schema) for name, schema in described["components"]["schemas"].items()}
    wrong, seen = [], 0
    for name, schema in schemas.items():
        judge = jsonschema.Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}, format_checker=jsonschema.FormatChecker()
        )
        for example in schema.get("examples", []):
            seen += 1
            wrong += [f"{name}: {error.json_path} {error.message}" for error in judge.iter_errors(example)]
    assert wrong == []
    assert seen >= 5


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, which takes no field it does not name unless it says that it does."""
    return schema | {"additionalProperties": schema.get("additionalProperties", False)} if "properties" in schema else schema


def _contents(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    given = operation.get("requestBody", {}).get("content", {}).get("application/json")
    answers = {status: answer.get("content", {}).get("application/json") for status, answer in operation["responses"].items()}
    return [(where, content) for where, content in {"request": given, **answers}.items() if content]


def _has_example(described: dict[str, Any], content: dict[str, Any]) -> bool:
    schema = content["schema"]
    for part in (schema, *schema.get("anyOf", [])):
        if "$ref" in part and described["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]].get("examples"):
            return True
    return bool(content.get("examples") or content.get("example"))


FACTS = DeviceFacts("meter", "home", "meter", "aurora", 900)
CASES = [
    ("reading", "readings", payloads.READING, True),
    ("reading", "readings", payloads.READING | {"value": None}, True),
    ("reading", "readings", payloads.READING | {"value": -1}, False),
    ("reading", "readings", payloads.READING | {"value": "1"}, False),
    ("reading", "readings", payloads.READING | {"channel": "gas"}, False),
    ("reading", "readings", payloads.READING | {"measure": "kwh"}, False),
    ("reading", "readings", {"channel": "consumption", "measure": "power_kw", "value": 1}, False),
    ("reading", "readings", payloads.READING | {"measure": "interval_kwh", "interval_seconds": 0}, False),
    ("interval_energies", "readings", payloads.ENERGIES, True),
    ("interval_energies", "readings", {"timestamp": payloads.ENERGIES["timestamp"]}, False),
    ("interval_energies", "readings", payloads.ENERGIES | {"consumption_kwh": -0.1}, False),
    *(("interval_energies", "readings", {"timestamp": "2026-11-01T12:00:00Z", f"{channel}_kwh": 1}, True) for channel in CHANNELS),
    ("weather", "weather", payloads.WEATHER, True),
    ("weather", "weather", payloads.WEATHER | {"temperature_celsius": -20}, True),
    ("weather", "weather", payloads.WEATHER | {"ghi_w_per_m2": -20}, False),
    ("weather", "weather", {"measured_at": "2026-11-01T12:00:00Z"}, False),
    ("status", "status", "online", True),
    ("status", "status", {"state": "offline", "at": "2026-11-01T12:00:00Z"}, True),
    ("status", "status", {"state": "<b>"}, False),
    ("status", "status", 5, False),
]


@pytest.mark.parametrize(("name", "kind", "payload", "is_good"), CASES)
def test_schema_takes_what_the_decoder_takes(name: str, kind: str, payload: Any, is_good: bool) -> None:
    schema = payloads.schemas()[name]
    assert jsonschema.Draft202012Validator(schema).is_valid(payload) is is_good
    decoded = decoder.decode(Message(FACTS, kind, "", json.dumps(payload).encode()), Limits(None, None, 10_000))
    assert (not decoded.rejections) is is_good
