"""The one home of every setting: `AURORA_*` from the environment, then `.env` in the working directory, then the default.

`docs/settings.md` lists them; a test fails when one is missing there.
"""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from aurora.errors import Refused

MOST_LISTENERS = 4


class Settings(BaseSettings):
    """All settings of one installation. Build it with `load()`, which turns a bad value into one clear line."""

    model_config = SettingsConfigDict(env_prefix="AURORA_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    home: Path = Field(Path("data"), description="Folder of everything this installation keeps.")
    lake_uri: str = Field("", description="Folder or `s3://bucket/prefix` of the Delta tables; empty: `<home>/lake`.")
    database_url: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL of the accounts database; empty: a SQLite file in the home.")
    mqtt_url: SecretStr = Field(
        SecretStr(""), description="`mqtt://user:password@host:port` of a broker; empty: `AURORA_BROKER` is started."
    )
    broker: Literal["embedded", "mosquitto"] = Field(
        "embedded",
        description="`mosquitto`: Aurora runs the Mosquitto of this machine, or the one at `AURORA_MQTT_URL` has the rights of"
        " `aurora mosquitto config`.",
    )
    listeners: int = Field(
        1, ge=1, le=MOST_LISTENERS, description="MQTT listeners that share what devices send; more than one needs Mosquitto."
    )
    secret_key: SecretStr = Field(SecretStr(""), description="Key that signs sessions and tokens; empty: the one `init` made in the home.")
    host: str = Field("127.0.0.1", description="Address the servers listen on.")
    app_port: int = Field(8501, ge=1, le=65535, description="Port of the pages.")
    ingest_port: int = Field(8502, ge=1, le=65535, description="Port of `/v1/ingest`.")
    api_port: int = Field(8503, ge=1, le=65535, description="Port of the REST API.")
    dagster_port: int = Field(3000, ge=1, le=65535, description="Port of Dagster's pages.")
    mqtt_port: int = Field(1883, ge=1, le=65535, description="Port of the MQTT broker that Aurora starts.")
    metrics_ports: dict[str, int] = Field(
        default_factory=dict,
        description='Prometheus port of each process, as JSON: `{"ingestion": 9102}`; one not named takes a free one.',
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="Shape of a log line on stderr.")
    flush_seconds: float = Field(1.0, gt=0, le=60, description="Longest time a received reading waits for its commit.")
    flush_readings: int = Field(50_000, ge=1, description="Readings that start a commit before the time is up.")
    sync_commits: bool = Field(False, description="Whether a commit is synced to disk before it is acknowledged.")
    future_seconds: int = Field(300, ge=0, description="How far ahead of our clock a live reading may be.")
    late_days: int = Field(30, ge=0, description="How old a live reading may be.")
    max_body_bytes: int = Field(10 * 1024**2, ge=1024, description="Largest HTTP body, after decompression.")
    max_message_bytes: int = Field(1024**2, ge=1024, description="Largest MQTT payload.")
    max_file_bytes: int = Field(256 * 1024**2, ge=1024, description="Largest file over HTTP, as it is sent and unpacked.")
    refresh_seconds: int = Field(300, ge=60, le=3540, description="Rhythm of the scheduled refresh, in whole minutes, 60 to 3540.")
    refresh_budget_seconds: float = Field(
        30.0, gt=0, description="Time a scheduled refresh may spend on closed days; the rest stays pending."
    )
    bronze_days: int = Field(30, ge=1, description="Days after its arrival for which a raw reading is kept.")
    silver_days: int = Field(
        1826, ge=31, description="Days for which quarter hours, hours, cost lines, prices, carbon and observed weather are kept."
    )
    forecast_days: int = Field(400, ge=2, description="Days for which forecasts issued at 0, 6, 12 and 18 h are kept; others two.")
    archive_uri: str = Field("", description="Folder or `s3://bucket/prefix` that raw readings are copied to before they go.")
    as_of_days: int = Field(7, ge=1, description="Days for which earlier publications can be asked for (`as_of`); older ones are 410.")
    session_hours: int = Field(12, ge=1, description="How long a login lasts.")
    token_minutes: int = Field(30, ge=1, description="How long an access token of the API lasts.")
    registration: Literal["open", "closed"] = Field("open", description="Whether anybody may register; closed: an admin adds people.")
    purge_days: int = Field(30, ge=0, description="Days after which deleted people are purged.")
    mail_url: SecretStr = Field(SecretStr(""), description="`smtp://` or `smtps://user:password@host:port`; empty: no mail is sent.")
    mail_from: str = Field("", description="Address that mail comes from.")
    public_url: str = Field("", description="Address of the pages as people reach them, for links in mail; empty: `http://host:port`.")
    trusted_proxies: str = Field(
        "", description="Addresses or networks of proxies whose `X-Forwarded-For` and `-Proto` are believed, separated by commas."
    )
    sources: str = Field(
        "",
        description="Services to ask every hour, separated by commas: `open_meteo` `pvgis` (weather; places rounded to a kilometre),"
        " `entsoe` `nord_pool` `octopus` `tibber` (prices), `electricity_maps` `uk_carbon`; empty: none.",
    )
    open_meteo_url: str = Field("https://api.open-meteo.com", description="Address of Open-Meteo's forecasts.")
    open_meteo_archive_url: str = Field("https://archive-api.open-meteo.com", description="Address of Open-Meteo's history.")
    pvgis_url: str = Field("https://re.jrc.ec.europa.eu/api/v5_3", description="Address of PVGIS.")
    entsoe_url: str = Field("https://web-api.tp.entsoe.eu/api", description="Address of ENTSO-E's Transparency Platform.")
    entsoe_token: SecretStr = Field(SecretStr(""), description="Security token of ENTSO-E.")
    nord_pool_url: str = Field("https://dataportal-api.nordpoolgroup.com", description="Address of Nord Pool's data portal.")
    octopus_url: str = Field("https://api.octopus.energy", description="Address of Octopus Energy.")
    tibber_url: str = Field("https://api.tibber.com/v1-beta/gql", description="Address of Tibber.")
    tibber_token: SecretStr = Field(SecretStr(""), description="Token of a customer of Tibber.")
    electricity_maps_url: str = Field("https://api.electricitymaps.com", description="Address of Electricity Maps.")
    electricity_maps_token: SecretStr = Field(SecretStr(""), description="Token of Electricity Maps.")
    uk_carbon_url: str = Field("https://api.carbonintensity.org.uk", description="Address of Great Britain's carbon intensity.")
    code_version: str = Field("", description="Version written on every publication; empty: the package's own.")

    @cached_property
    def resolved_home(self) -> Path:
        """The home as an absolute path; the demo's where only that one is initialised."""
        home = self.home.expanduser().absolute()
        demo = home / "demo"
        return demo if is_initialised(demo) and not is_initialised(home) else home

    @cached_property
    def is_demo(self) -> bool:
        """Whether the home holds the demo, which never touches a lake, database or broker that is configured for real use."""
        return _marker(self.resolved_home).get("is_demo", False)

    @property
    def resolved_lake_uri(self) -> str:
        """Where the Delta tables are: an absolute folder or an `s3://` address."""
        if not self.lake_uri or self.is_demo:
            return str(self.resolved_home / "lake")
        return self.lake_uri if "://" in self.lake_uri else str(Path(self.lake_uri).expanduser().absolute())

    @property
    def resolved_database_url(self) -> str:
        """SQLAlchemy URL of the accounts database."""
        given = "" if self.is_demo else self.database_url.get_secret_value()
        return given or f"sqlite:///{self.resolved_home / 'accounts.sqlite'}"

    @property
    def resolved_mqtt_url(self) -> str:
        """Address of the broker that is configured; empty where the embedded one serves."""
        return "" if self.is_demo else self.mqtt_url.get_secret_value()


def is_initialised(home: Path) -> bool:
    """Whether `aurora init` has run in this folder."""
    return (home / "aurora.json").is_file()


def _marker(home: Path) -> dict[str, Any]:
    try:
        return json.loads((home / "aurora.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def load() -> Settings:
    """The settings of this process.

    Raises:
        Refused: If a value is wrong or `.env` cannot be read; names the variable and the way out.
    """
    env_file = Path(".env")
    try:
        if env_file.is_file():
            _check_env_file(env_file)
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        first = error.errors()[0]
        name = "AURORA_" + str(first["loc"][0]).upper()
        where = "the environment" if name in os.environ else "the environment or .env"
        raise Refused(f"{name}: {first['msg']}. Correct it in {where}; docs/settings.md lists all settings.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise Refused(f".env cannot be read ({error}). Correct or remove it; it holds lines like AURORA_APP_PORT=8501.") from None
    except ValueError as error:
        raise Refused(f"A setting cannot be read ({error}). Correct it; docs/settings.md lists all settings.") from None


def _check_env_file(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#") and "=" not in text:
            raise Refused(f".env, line {number}: expected NAME=value. Correct or remove the line.")
        if "\x00" in text:
            raise Refused(f".env, line {number}: holds a zero byte. Correct or remove the line.")
