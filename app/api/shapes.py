"""Shapes of answers that hold rows of tables, for the description of the API; made from the tables' own declarations."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Optional

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, create_model

from aurora.accounts.models import AuditEntry, Model
from aurora.lake.tables import TABLES

HIDDEN = frozenset({"refresh_id"})
_OF_ARROW = (
    (pa.types.is_string, str),
    (pa.types.is_timestamp, datetime),
    (pa.types.is_date, date),
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
    (pa.types.is_decimal, float),
    (pa.types.is_list, list[str]),
)


def row_of(table: str, /, **others: Any) -> type[BaseModel]:
    """A row of a table of the lake: every column but `refresh_id`, null where it may be; `others` in place of or beside them."""
    key = TABLES[table].key
    fields: dict[str, Any] = {
        field.name: (kind if field.name in key else kind | None, ...)
        for field in TABLES[table].schema
        for kind in [next(python for is_kind, python in _OF_ARROW if is_kind(field.type))]
        if field.name not in HIDDEN
    }
    return _made(_title(table), fields | {name: (kind, ...) for name, kind in others.items()})


def record_of(model: type[Model]) -> type[BaseModel]:
    """A row of a table of accounts."""
    fields: dict[str, Any] = {
        column.name: (column.type.python_type | None if column.nullable else column.type.python_type, ...)
        for column in model.__table__.columns
    }
    return _made(model.__name__, fields)


def page_of(name: str, row: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The description of an answer that holds one page of rows under `name`."""
    return {200: {"model": _made(f"{row.__name__}Page", {name: (list[row], ...)}, _Page)}}


def _optional(name: str, *tables: str, without: Collection[str] = ()) -> type[BaseModel]:
    """Columns of tables, each of which may be missing or null."""
    fields: dict[str, Any] = {
        name: (Optional[field.annotation], None)  # noqa: UP045 - an annotation read from a model is no operand of `|` to the checker
        for table in tables
        for name, field in row_of(table).model_fields.items()
        if name not in without
    }
    return _made(name, fields)


def _made(name: str, fields: dict[str, Any], base: type[BaseModel] = BaseModel) -> type[BaseModel]:
    make: Any = create_model
    return make(name, __base__=base, **fields)


class _Page(BaseModel):
    refresh_id: str = Field(description="The publication that answered.")
    as_of: datetime | None = Field(description="When it was finished.")
    next: str | None = Field(description="Address of the next page; null after the last.")


class LoginShape(BaseModel):
    """A login: a browser's, or one of the API."""

    session_id: str
    kind: str
    user_agent: str | None
    address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class LoginsShape(BaseModel):
    """My logins."""

    sessions: list[LoginShape]


class AuditShape(BaseModel):
    """Entries of the audit log."""

    entries: list[record_of(AuditEntry)]  # pyright: ignore[reportInvalidTypeForm] - a model made from the table


class ExportShape(BaseModel):
    """All that is held about me, by subject."""

    model_config = ConfigDict(extra="allow")


def _title(table: str) -> str:
    return "".join(word.capitalize() for word in table.split("/")[1].split("_"))


METER_EVENTS = page_of("meter_events", row_of("gold/meter_events"))
ANOMALIES = page_of("anomalies", row_of("gold/anomalies", params=dict[str, Any], is_acknowledged=bool))
DATA_QUALITY = page_of("data_quality", row_of("gold/data_quality"))
DEVICE_STATUS = page_of("device_status", row_of("gold/device_status"))
RECOMMENDATIONS = page_of("recommendations", row_of("gold/recommendations", params=dict[str, Any], feedback=str | None))
Point = _optional("Point", "gold/energy_hourly", "gold/energy_daily", "gold/energy_monthly", without=("site_id",))
Totals = _optional("Totals", "gold/energy_daily", without=("site_id", "local_date"))
Expected = _optional("Expected", "gold/forecasts", without=("site_id", "channel", "issued_at", "model_name", "model_version"))


class _Subject(BaseModel):
    site_id: str
    device_id: str | None = Field(None, description="Where a device was asked about.")
    refresh_id: str = Field(description="The publication that answered.")
    as_of: datetime | None = Field(None, description="When it was finished.")


class TrendAnswer(_Subject):
    """Points over time; the key of a point is `interval_start_at`, `local_date` or `local_month`, by interval."""

    interval: str
    next: str | None = Field(None, description="Address of the next page, where `limit` is given; null after the last.")
    points: list[Point]  # pyright: ignore[reportInvalidTypeForm] - a model made from tables


class SummaryAnswer(Totals, _Subject):  # pyright: ignore[reportUntypedBaseClass, reportGeneralTypeIssues] - a model made from a table
    """Totals of a period."""

    period: str
    period_start_at: datetime
    period_end_at: datetime


class Change(BaseModel):
    """What became of a figure; null where it is unknown."""

    absolute: float | None
    relative: float | None


class ComparisonAnswer(_Subject):
    """A period and what it is held against: totals and changes, or with `peers` the site's place among them."""

    model_config = ConfigDict(extra="allow")
    compare_to: str
    period: str | None = None
    current: dict[str, Any] | None = None
    base: dict[str, Any] | None = None
    changes: dict[str, Change] | None = None


class ForecastAnswer(_Subject):
    """The newest forecast, hour by hour."""

    channel: str
    horizon: str
    issued_at: datetime
    model_name: str
    model_version: str
    points: list[Expected]  # pyright: ignore[reportInvalidTypeForm] - a model made from a table
