"""The description of the API: OpenAPI with our own refusals in it, and a page to read it that needs nothing from outside."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from app.api.examples import ANSWERS
from aurora.domain.descriptions import ingest_description

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #16233a; background: #f5f8fb; margin: 0 auto; max-width: 62rem;
  padding: 2rem 1.25rem 4rem; }
h2 { margin: 2.5rem 0 .75rem; text-transform: capitalize; } a { color: #17608f; }
article { background: #fff; border: 1px solid #d9e1ea; border-radius: 12px; padding: 1rem 1.25rem; margin: .75rem 0; overflow-x: auto; }
h3 { margin: 0; font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; } h3 b { color: #17608f; margin-right: .5rem; }
p { margin: .35rem 0; } table { border-collapse: collapse; margin-top: .5rem; font-size: .92rem; }
td { padding: .2rem 1rem .2rem 0; vertical-align: top; } code { font-family: ui-monospace, monospace; }
"""

TEXT = {"type": "string"}
PROBLEM = {"type": "object", "properties": {"field": TEXT, "reason": TEXT}, "required": ["field", "reason"]}
REFUSALS: dict[str, Any] = {
    "InputProblems": {
        "type": "object",
        "properties": {"detail": {"anyOf": [{"type": "array", "items": PROBLEM}, TEXT]}},
        "required": ["detail"],
        "examples": [{"detail": [{"field": "latitude", "reason": "Input should be less than or equal to 90"}]}],
    },
    "Refusal": {
        "type": "object",
        "properties": {"detail": TEXT},
        "required": ["detail"],
        "examples": [{"detail": "There is no site attic among yours."}],
    },
}

# No page of the API loads or runs anything; the description has a style of its own.
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def install(api: FastAPI) -> None:
    """Give `api` its description at /v1/openapi.json and /v1/docs."""

    def described() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _describe(api)
        return api.openapi_schema

    api.openapi = described  # pyright: ignore[reportAttributeAccessIssue]
    api.add_api_route("/v1/docs", lambda: HTMLResponse(page(described())), include_in_schema=False)


def _describe(api: FastAPI) -> dict[str, Any]:
    """OpenAPI of all routes and of ingestion's; wrong input is a 400 with fields and reasons here, not a 422."""
    described = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= REFUSALS
    for name, example in ANSWERS.items():
        schemas[name]["examples"] = [example]
    for methods in described["paths"].values():
        for operation in methods.values():
            _complete(operation["responses"])
    ingest = ingest_description()
    described["paths"] |= ingest["paths"]
    for kind, parts in ingest["components"].items():
        described["components"].setdefault(kind, {}).update(parts)
    return described


def _complete(responses: dict[str, Any]) -> None:
    """Say of each refusal what it looks like, where the route does not."""
    if responses.pop("422", None) or "400" in responses:
        responses["400"] = {"description": "Input that cannot be taken, by field"} | responses.get("400", {})
    for status, response in responses.items():
        if status.startswith(("4", "5")) and "content" not in response:
            name = "InputProblems" if status == "400" else "Refusal"
            response["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def page(described: dict[str, Any]) -> str:
    """The description as one page."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation.get("tags", ["other"])[0], []).append(_operation(path, method, operation))
    parts = "".join(f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in by_tag.items())
    title = escape(described["info"]["title"])
    viewport = "<meta name=viewport content='width=device-width, initial-scale=1'>"
    head = f"<meta charset=utf-8>{viewport}<title>{title}</title><style>{STYLE}</style>"
    words = escape(described["info"].get("description", ""))
    intro = f"<h1>{title}</h1><p>{words}</p><p><a href='/v1/openapi.json'>/v1/openapi.json</a></p>"
    return f"<!DOCTYPE html><html lang=en><head>{head}</head><body>{intro}{parts}</body></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_parameter(parameter) for parameter in operation.get("parameters", []))
    answers = ", ".join(escape(status) for status in operation["responses"])
    words = " ".join(part for part in (f"{operation.get('summary', '')}.", operation.get("description", "")) if part)
    table = f"<table>{rows}</table>" if rows else ""
    return f"<article><h3><b>{method.upper()}</b>{escape(path)}</h3><p>{escape(words)}</p>{table}<p>Answers: {answers}</p></article>"


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    values = " | ".join(str(value) for value in schema.get("enum", []))
    default = f"default {schema['default']}" if schema.get("default") is not None else ""
    notes = "; ".join(part for part in (values, default, parameter.get("description", "")) if part)
    return f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td><td>{escape(notes)}</td></tr>"
