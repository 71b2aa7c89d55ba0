"""Tables of the accounts database. Every change here is a migration too; a test compares the two."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Integer, Numeric, String, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from aurora.domain.calendar import moved_zone


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
    """A person with a login. `role`: admin, consultant or user. Deleted people keep their row until they are purged."""

    __tablename__ = "users"
    user_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    full_name: Mapped[str | None] = mapped_column(String(128))
    language: Mapped[str | None] = mapped_column(String(8))
    password_hash: Mapped[str] = mapped_column(String(256))
    role: Mapped[str] = mapped_column(String(16))
    is_disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    email_confirmed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Login(Model):
    """A login that can be listed and ended. `kind`: browser (a cookie) or api (tokens)."""

    __tablename__ = "logins"
    login_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    address: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LoginSecret(Model):
    """A secret that stands for a login, as its SHA-256: the cookie's, or one refresh token, which is good for one use."""

    __tablename__ = "login_secrets"
    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    login_id: Mapped[str] = mapped_column(ForeignKey("logins.login_id", ondelete="CASCADE"), index=True)
    issued_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OneTimeToken(Model):
    """A secret sent to a person by mail, as its SHA-256. `purpose`: reset_password or confirm_email."""

    __tablename__ = "one_time_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    email: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Attempts(Model):
    """How often something that is limited was tried since a window began. `bucket`: what is limited and for whom, as a hash."""

    __tablename__ = "attempts"
    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)
    tries: Mapped[int] = mapped_column(Integer)
    ends_at: Mapped[datetime] = mapped_column(index=True)


class Repeat(Model):
    """What a request with an idempotency key was answered. `request`: sender, path and key, `body`: what it said, both as hashes."""

    __tablename__ = "repeats"
    request: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str] = mapped_column(String(1024))
    ends_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(Model):
    """Who did what, when. Only ever added to; names and ids stay when what they name is gone."""

    __tablename__ = "audit_log"
    audit_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    user_id: Mapped[str | None] = mapped_column(String(36), index=True)
    action: Mapped[str] = mapped_column(String(48))
    subject_kind: Mapped[str | None] = mapped_column(String(16))
    subject_id: Mapped[str | None] = mapped_column(String(64))
    site_id: Mapped[str | None] = mapped_column(String(64), index=True)
    address: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[str | None] = mapped_column(String(2048))


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
    """A place with an owner. Azimuth: 0 = north, clockwise.

    `past_time_zones`: zones it had, each with the local day `until` which, itself not included, it counted; in order. `time_zone` follows.
    """

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
    past_time_zones: Mapped[list[dict[str, str]] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]

    @property
    def calendar(self) -> str:
        """The zone, or zones one after the other, that the site's days and hours follow; see `aurora.domain.calendar`."""
        return moved_zone([(one["time_zone"], date.fromisoformat(one["until"])) for one in self.past_time_zones or []], self.time_zone)


class Membership(Model):
    """What a person may do at a site. `role`: owner, viewer, consultant (until `ends_at`)."""

    __tablename__ = "memberships"
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))
    ends_at: Mapped[datetime | None]


class Invitation(Model):
    """A membership offered to whoever holds the secret, kept as its SHA-256. `ends_at`: the membership's end."""

    __tablename__ = "invitations"
    invitation_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(16))
    ends_at: Mapped[datetime | None]
    invited_by: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(String(36))
    revoked_at: Mapped[datetime | None]


class Device(Model):
    """Something that measures. `role`: main, sub, check; `inputs`: what inputs of its format measure, see `aurora.domain.inputs`.

    `factor` multiplies its readings; `channels` names what a channel of its really is; `replacements` are exchanges of the meter, in order
    of time: `at`, where known `channel` and `start_kwh`, what the new register showed.
    """

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
    inputs: Mapped[dict[str, str] | None] = mapped_column(JSON)
    factor: Mapped[float | None] = mapped_column(Float)
    channels: Mapped[dict[str, str] | None] = mapped_column(JSON)
    replacements: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)
    is_import: Mapped[bool] = mapped_column(Boolean, default=False)
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class DeviceKey(Model):
    """A device's key, or with `site_id` a gateway's, which speaks for every device of the site: 256 random bits, kept as SHA-256.

    `mosquitto_hash`: the same as Mosquitto keeps passwords; null for gateways' and for older keys until their next use.
    """

    __tablename__ = "device_keys"
    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    device_id: Mapped[str | None] = mapped_column(ForeignKey("devices.device_id"), index=True)
    site_id: Mapped[str | None] = mapped_column(ForeignKey("sites.site_id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    mosquitto_hash: Mapped[str | None] = mapped_column(String(160))
    name: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Feedback(Model):
    """What a person said of a recommendation: helpful, not_helpful, dismissed, accepted or done."""

    __tablename__ = "recommendation_feedback"
    recommendation_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[str] = mapped_column(String(64), index=True)
    feedback: Mapped[str] = mapped_column(String(16))
    given_at: Mapped[datetime]


class Overrule(Model):
    """What a person said of a decision how a meter was read: reversed, or let stand again."""

    __tablename__ = "overrules"
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(64), index=True)
    site_id: Mapped[str] = mapped_column(String(64), index=True)
    is_overruled: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str | None] = mapped_column(String(512))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.user_id", ondelete="SET NULL"))
    decided_at: Mapped[datetime]


class Acknowledgement(Model):
    """What a person said of a finding: that they know of it, or that it shall be told again."""

    __tablename__ = "acknowledgements"
    anomaly_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(String(64), index=True)
    is_acknowledged: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str | None] = mapped_column(String(512))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.user_id", ondelete="SET NULL"))
    decided_at: Mapped[datetime]


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
