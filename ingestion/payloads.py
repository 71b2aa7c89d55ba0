"""JSON Schemas of Aurora's own payloads, made of what the decoder takes, and how the HTTP door is described."""

import json
from typing import Any

from aurora.domain.channels import CHANNELS, MEASURES, MOST_KWH
from ingestion.decoders.aurora import ENERGY_FIELDS, LONGEST_INTERVAL_SECONDS, QUALITIES, QUANTITIES, STATE

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOMENT = {"type": "string", "format": "date-time", "description": "A time with offset; without one it is refused."}
SECONDS = {"type": "integer", "minimum": 1, "maximum": LONGEST_INTERVAL_SECONDS, "description": "Length of the interval. [s]"}
SENDER = {"type": "string", "description": "Needed where the credentials do not tell which device this is of."}
QUALITY = {"enum": [*QUALITIES, None], "description": "Whether it was measured; without it, it was."}
AMOUNT = {"type": ["number", "null"], "minimum": 0, "maximum": MOST_KWH}
REPEATED = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of your own: for a day the same request under it is answered again and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
READING = {"measured_at": "2026-11-01T12:00:00Z", "channel": "grid_import", "measure": "register_kwh", "value": 4711.25}
ENERGIES = {"timestamp": "2026-11-01T12:00:00Z", "consumption_kwh": 0.42, "production_kwh": 1.1}
WEATHER = {"measured_at": "2026-11-01T12:00:00Z", "temperature_celsius": 8.5, "ghi_w_per_m2": 240}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each payload by name."""
    state = {"type": "string", "pattern": f"^{STATE.pattern}$"}
    return {
        "reading": _reading(),
        "interval_energies": _energies(),
        "weather": _weather(),
        "status": {
            "title": "status",
            "description": "What a device says of itself: a word such as online, or an object with a time.",
            "oneOf": [state, _object({"state": state, "at": MOMENT}, ["state"])],
            "examples": ["online", {"state": "offline", "at": "2026-11-01T12:00:00Z"}],
        },
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _reading() -> dict[str, Any]:
    value = AMOUNT | {"description": "Energy or power in the unit of the measure; null withdraws the reading of the same key."}
    fields = {
        "device_id": SENDER,
        "measured_at": MOMENT,
        "channel": {"enum": list(CHANNELS)},
        "measure": {"enum": list(MEASURES)},
        "value": value,
        "interval_seconds": SECONDS,
        "quality": QUALITY,
    }
    about = {"title": "reading", "description": "One value of one channel; an interval begins at `measured_at`.", "examples": [READING]}
    return about | _object(fields, ["measured_at", "channel", "measure", "value"])


def _energies() -> dict[str, Any]:
    energies = {name: AMOUNT | {"description": f"{channel} in the interval. [kWh]"} for name, channel in ENERGY_FIELDS.items()}
    about = {
        "title": "interval_energies",
        "description": "Energies of the interval that begins at `timestamp`.",
        "examples": [ENERGIES],
        "anyOf": [{"required": [name]} for name in energies],
    }
    return about | _object(
        {"device_id": SENDER, "timestamp": MOMENT, "interval_seconds": SECONDS, "quality": QUALITY, **energies}, ["timestamp"]
    )


def _weather() -> dict[str, Any]:
    quantities = {name: {"type": ["number", "null"], "minimum": least, "maximum": most} for name, (least, most) in QUANTITIES.items()}
    about = {
        "title": "weather",
        "description": "Weather at one time; the unit is in each name.",
        "examples": [WEATHER],
        "anyOf": [{"required": [name], "properties": {name: {"type": "number"}}} for name in quantities],
    }
    fields = {"station_id": SENDER, "measured_at": MOMENT, "is_forecast": {"type": "boolean", "default": False}, **quantities}
    return about | _object(fields, ["measured_at"])


def _one_or_many(*names: str) -> dict[str, Any]:
    each = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return {"anyOf": [*each, {"type": "array", "items": {"anyOf": each}}]}


def operation(summary: str, *names: str, example: dict[str, Any]) -> dict[str, Any]:
    """How an endpoint of the door is described, which takes one or many payloads of these names."""
    content = {"schema": _one_or_many(*names), "examples": {"one": {"value": example}, "many": {"value": [example]}}}
    lines = {"schema": {"type": "string", "description": "Such objects, one a line."}, "example": f"{json.dumps(example)}\n"}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/IngestRefusal"}}}
    problems = {"application/json": {"schema": {"$ref": "#/components/schemas/BadFields"}}}
    texts = {
        "401": "No or bad credentials", "404": "A device of somebody else",
        "409": "The Idempotency-Key was used for another body", "413": "The body is too large",
        "429": "Too many requests; see Retry-After", "503": "It could not be stored now; send it again",
    }  # fmt: skip
    accepted = {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}}
    return {
        "summary": summary,
        "tags": ["ingest"],
        "security": [{"DeviceKey": []}, {"OAuth2PasswordBearer": []}],
        "parameters": [REPEATED],
        "requestBody": {"required": True, "content": {"application/json": content, "application/x-ndjson": lines}},
        "responses": {
            "202": {"description": "All of it is stored", "content": accepted},
            "400": {"description": "Every bad field; nothing was stored", "content": problems},
            **{status: {"description": words, "content": refusal} for status, words in texts.items()},
        },
    }


def upload() -> dict[str, Any]:
    """How the endpoint for files is described."""
    words = {"type": "string"}
    fields = {
        "file": {"type": "string", "format": "binary", "description": "What `aurora import` reads."},
        "site_id": words,
        "device": words,
        "role": {"enum": ["main", "sub", "check"]},
        "time_column": words,
        "time_zone": words,
        "unit": {"enum": ["Wh", "kWh", "MWh", "W", "kW"]},
        "channel": {"type": "array", "items": words, "description": "COLUMN=channel, as often as there are columns."},
        "measure": {"enum": list(MEASURES)},
        "label": {"enum": ["start", "end"]},
        "decimal": {"enum": ["point", "comma"]},
        "dry_run": {"type": "boolean", "description": "Say what would happen and change nothing."},
    }
    described = operation("Send a file", "reading", example=READING)
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/FileLanded"}}}
    refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/IngestRefusal"}}}
    responses = {status: one for status, one in described["responses"].items() if status not in {"409", "202"}}
    return {
        "summary": described["summary"],
        "description": "Import a file of a site, as `aurora import` does; 202 after the commit, with what became of every value.",
        "tags": described["tags"],
        "security": described["security"],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _object(fields, ["file", "site_id"])}}},
        "responses": {
            "202": {"description": "What could be read is stored", "content": answer},
            **responses,
            "411": {"description": "The length of the body is not said", "content": refusal},
        },
    }


def _landed() -> dict[str, Any]:
    words, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    known: dict[str, Any] = {"type": ["string", "null"]}
    row = _object(dict.fromkeys(("line", "column", "time", "value", "reason"), words), ["line", "reason"])
    fields = {
        "load_id": words, "read": number, "new": number, "known": number, "rejected": number, "first_at": known, "last_at": known,
        "format": known, "mapping_from": known, "costs": {"type": "object", "additionalProperties": {"type": "number"}},
        "doubts": {"type": "array", "items": _object(dict.fromkeys(("column", "finding", "sentence"), words), ["finding", "sentence"])},
        "ambiguous": {"type": "array", "items": _object({"first_at": words, "last_at": words, "values": number}, ["first_at", "values"]),
                      "description": "Hours that the clock showed twice, which the file does not tell apart: taken as the earlier one."},
        "qualities": {"type": "object", "additionalProperties": number,
                      "description": "Values that the file says to be something else than measured, by what it says."},
        "mapping": {"type": "object", "description": "What its columns mean, and which of them are not read (`unread`)."},
        "refused_rows": {"type": "array", "items": row, "description": "The first hundred."},
    }  # fmt: skip
    example = {
        "load_id": "20261101T120000-1a2b3c4d", "read": 96, "new": 95, "known": 0, "rejected": 1, "first_at": "2026-10-31T23:00:00+00:00",
        "last_at": "2026-11-01T22:45:00+00:00", "format": None, "mapping_from": None, "costs": {}, "doubts": [],
        "ambiguous": [], "qualities": {"estimated": 4},
        "mapping": {
            "time_column": "time", "time_zone": "Europe/Berlin", "label": "start", "decimal": None, "unread": ["note"],
            "columns": {"import_kwh": {"channel": "grid_import", "unit": "kWh", "measure": "interval_kwh"}},
        },
        "refused_rows": [{"line": "7", "column": "import_kwh", "time": "2026-11-01T00:15", "value": "-3", "reason": "negative"}],
    }  # fmt: skip
    return _object(fields, ["load_id", "read", "new", "known", "rejected"]) | {"examples": [example]}


def components() -> dict[str, Any]:
    """What the operations refer to."""
    words = {"type": "string"}
    fault = _object({"field": words, "reason": words, "message": words}, ["field", "reason"])
    bad = {"field": "[1].value", "reason": "negative", "message": "value is never negative; each direction has a channel of its own."}
    own = {
        "Accepted": _object({"accepted": {"type": "integer", "minimum": 0}}, ["accepted"]) | {"examples": [{"accepted": 2}]},
        "BadFields": _object({"detail": {"type": "array", "items": fault}}, ["detail"]) | {"examples": [{"detail": [bad]}]},
        "FileLanded": _landed(),
        "IngestRefusal": _object({"detail": words}, ["detail"]) | {"examples": [{"detail": "Send it again."}]},
    }
    schemes = {"DeviceKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "Key of a device or a gateway."}}
    return {"schemas": schemas() | own, "securitySchemes": schemes}
