"""Writes what describes Aurora: OpenAPI, AsyncAPI, the JSON Schemas of payloads, the kinds of findings. `make descriptions` runs it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from aurora import __version__, home
from aurora.domain import descriptions
from aurora.lake.store import open_lake
from aurora.settings import Settings
from ingestion import payloads

ROOT = Path(__file__).parents[1]
TOPICS = {"readings": ("reading", "interval_energies"), "weather": ("weather",), "status": ("status",)}
ABOUT_TOPICS = {
    "readings": "Energy and power: one reading, one set of interval energies, or an array of either; QoS 1.",
    "weather": "Weather at a station: one time or an array of them; QoS 1.",
    "status": "What a device says of itself; retained, and the last will.",
}


def everything() -> dict[Path, str]:
    """Content of each file, by where it belongs."""
    from ingestion.server import describe
    from transform.judge import kinds

    found = {descriptions.folder() / descriptions.INGEST: _json(describe()), ROOT / "docs" / "openapi.json": _json(openapi())}
    found |= {
        ROOT / "docs" / "schemas" / f"{name}.json": _json({"$schema": payloads.DIALECT} | schema)
        for name, schema in payloads.schemas().items()
    }
    return found | {ROOT / "docs" / "asyncapi.yaml": _yaml(asyncapi()), ROOT / "docs" / "findings.md": kinds.document()}


def openapi() -> dict[str, Any]:
    """OpenAPI of every HTTP endpoint, as the API serves it."""
    from app.api.server import build
    from app.services import open_services
    from aurora.accounts.database import Accounts

    with tempfile.TemporaryDirectory(prefix="aurora-descriptions-") as folder:
        settings = Settings(home=Path(folder), database_url="", lake_uri="", _env_file=None)  # pyright: ignore
        made = home.create(settings)
        Accounts(settings.resolved_database_url).migrate()
        open_lake(settings.resolved_lake_uri).create_tables()
        return build(open_services(settings, made)).openapi()


def asyncapi() -> dict[str, Any]:
    """AsyncAPI of the MQTT topics."""
    messages = {name: {"name": name, "payload": _one_or_many(name), "contentType": "application/json"} for name in payloads.schemas()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Aurora over MQTT", "version": __version__, "description": "What devices publish. See docs/contracts.md."},
        "servers": {"broker": {"host": "localhost:1883", "protocol": "mqtt", "security": [{"$ref": "#/components/securitySchemes/key"}]}},
        "channels": {kind: _channel(kind, names) for kind, names in TOPICS.items()},
        "operations": {
            f"receive_{kind}": {"action": "receive", "channel": {"$ref": f"#/channels/{kind}"}, "summary": ABOUT_TOPICS[kind]}
            for kind in TOPICS
        },
        "components": {
            "messages": messages,
            "schemas": payloads.schemas(),
            "securitySchemes": {"key": {"type": "userPassword", "description": "User name: device_id; password: a key of the device."}},
        },
    }


def _channel(kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "address": f"aurora/v1/{{device_id}}/{kind}",
        "description": ABOUT_TOPICS[kind],
        "parameters": {"device_id": {"description": "The device, which may use its own branch alone."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _one_or_many(name: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{name}"}
    return one if name == "status" else {"oneOf": [one, {"type": "array", "items": one}]}


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _yaml(content: Any) -> str:
    import yaml

    return yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False, allow_unicode=True, width=140)


def main() -> None:
    """Write every file; that of ingestion first, because the API's own holds it."""
    from ingestion.server import describe

    (descriptions.folder() / descriptions.INGEST).write_text(_json(describe()), encoding="utf-8")
    for path, content in everything().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
