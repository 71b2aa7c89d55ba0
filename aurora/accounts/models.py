"""Tables of the accounts database. Every change here is a migration too; a test compares the two."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Float, ForeignKey, Integer, Numeric, String, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """An instant; aware UTC in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The value as aware UTC. Raises ValueError for a time without offset."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without offset cannot be kept")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The value as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Model(DeclarativeBase):
    """Root of all tables."""

    type_annotation_map = {datetime: UtcTime, Decimal: Numeric(18, 9)}  # noqa: RUF012


class Identifier(Model):
    """An id of a site or device that was given once and is never given again."""

    __tablename__ = "identifiers"
    identifier: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))


class User(Model):
    """A person with a login. `role`: admin, consultant or user."""

    __tablename__ = "users"
    user_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(16))
    is_disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]


class WebSession(Model):
    """A login in a browser; the cookie holds the id, this row its SHA-256."""

    __tablename__ = "web_sessions"
    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Tariff(Model):
    """A contract; its prices are `TariffPrice` rows."""

    __tablename__ = "tariffs"
    tariff_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    currency: Mapped[str] = mapped_column(String(3))


class TariffPrice(Model):
    """Price of one part of a contract for a time. `direction`: import, export, fixed; `quantity_unit`: kWh, day."""

    __tablename__ = "tariff_prices"
    tariff_id: Mapped[str] = mapped_column(ForeignKey("tariffs.tariff_id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[str] = mapped_column(String(64), primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    valid_until: Mapped[datetime | None]
    direction: Mapped[str] = mapped_column(String(8))
    quantity_unit: Mapped[str] = mapped_column(String(8))
    unit_price: Mapped[Decimal]


class Site(Model):
    """A place with an owner. Azimuth: 0 = north, clockwise."""

    __tablename__ = "sites"
    site_id: Mapped[str] = mapped_column(ForeignKey("identifiers.identifier"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    time_zone: Mapped[str] = mapped_column(String(64))
    latitude: Mapped[float] = mapped_column(Float)
    longitude: Mapped[float] = mapped_column(Float)
    country: Mapped[str | None] = mapped_column(String(2))
    currency: Mapped[str | None] = mapped_column(String(3))
    floor_area_m2: Mapped[float | None] = mapped_column(Float)
    occupants: Mapped[int | None] = mapped_column(Integer)
    heating: Mapped[str | None] = mapped_column(String(32))
    appliances: Mapped[str | None] = mapped_column(String(512))
    pv_capacity_kw: Mapped[float | None] = mapped_column(Float)
    pv_tilt_degrees: Mapped[float | None] = mapped_column(Float)
    pv_azimuth_degrees: Mapped[float | None] = mapped_column(Float)
    battery_capacity_kwh: Mapped[float | None] = mapped_column(Float)
    battery_power_kw: Mapped[float | None] = mapped_column(Float)
    fuse_a: Mapped[float | None] = mapped_column(Float)
    grid_limit_kw: Mapped[float | None] = mapped_column(Float)
    price_zone: Mapped[str | None] = mapped_column(String(32))
    carbon_zone: Mapped[str | None] = mapped_column(String(32))
    tariff_id: Mapped[str | None] = mapped_column(ForeignKey("tariffs.tariff_id"))
    weather_station_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Membership(Model):
    """What a person may do at a site. `role`: owner, viewer, consultant (until `ends_at`)."""

    __tablename__ = "memberships"
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    ends_at: Mapped[datetime | None]


class Device(Model):
    """Something that measures. `role`: main, sub, check."""

    __tablename__ = "devices"
    device_id: Mapped[str] = mapped_column(ForeignKey("identifiers.identifier"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"), index=True)
    name: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(8))
    energy_source: Mapped[str | None] = mapped_column(String(8))
    decoder: Mapped[str | None] = mapped_column(String(32))
    topic: Mapped[str | None] = mapped_column(String(256))
    interval_seconds: Mapped[int | None] = mapped_column(Integer)
    max_gap_seconds: Mapped[int | None] = mapped_column(Integer)
    is_import: Mapped[bool] = mapped_column(Boolean, default=False)
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class DeviceKey(Model):
    """A device's key: 256 random bits, of which the SHA-256 is kept."""

    __tablename__ = "device_keys"
    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.device_id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Load(Model):
    """One import of a file, so that it can be listed."""

    __tablename__ = "loads"
    load_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(String(64), index=True)
    device_id: Mapped[str] = mapped_column(String(64))
    file_name: Mapped[str] = mapped_column(String(256))
    file_hash: Mapped[str] = mapped_column(String(64))
    mapping: Mapped[str] = mapped_column(String(4096))
    readings_read: Mapped[int] = mapped_column(BigInteger)
    readings_new: Mapped[int] = mapped_column(BigInteger)
    readings_known: Mapped[int] = mapped_column(BigInteger)
    readings_rejected: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    loaded_at: Mapped[datetime]


class Lease(Model):
    """A lock that one process holds at a time."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(256))
    process_id: Mapped[int] = mapped_column(Integer)
    process_started_at: Mapped[float] = mapped_column(Float)
    acquired_at: Mapped[datetime]
    renewed_at: Mapped[datetime]
