"""Every table of the lake, declared once: name, columns, key, layout, schema version.

Units are in the column names, times are UTC with microseconds, days are local to the site. `docs/contracts.md` says what they mean.
"""

# pyarrow and deltalake ship no types, so what comes from them is unknown to the checker.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from dataclasses import dataclass, field

import pyarrow as pa

from aurora.domain.channels import CHANNELS

TIME = pa.timestamp("us", "UTC")
AMOUNT = pa.decimal128(18, 6)
# For how long a checkpoint names files that were taken out; Delta's week of them makes one of a commit a second 57 MB long.
REMOVED_FILES_TOLD = "delta.deletedFileRetentionDuration"


@dataclass(frozen=True)
class LakeTable:
    """One Delta table.

    Attributes:
        name: `<layer>/<name>`; also the folder under the lake's root.
        schema: Columns in order.
        key: Columns that name a row.
        scope: Columns of the unit that a refresh replaces; empty for tables that only grow.
        partition: Hive partition columns, at the end of `schema`.
        sort: Order of rows inside a file.
        properties: Of Delta itself, beside those that all tables have.
        schema_version: Raised with every change of `schema`; a column that is new needs no more than that (see `migrations`).
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    scope: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    sort: tuple[str, ...] = field(default=())
    properties: dict[str, str] = field(default_factory=dict)
    schema_version: int = 1

    @property
    def layer(self) -> str:
        """`bronze`, `silver`, `gold`, `dims` or `meta`."""
        return self.name.split("/")[0]

    @property
    def file_schema(self) -> pa.Schema:
        """The columns that stand in the files: all but the partition's."""
        return pa.schema([f for f in self.schema if f.name not in self.partition])


def _schema(columns: str) -> pa.Schema:
    kinds = {"": pa.string(), "at": TIME, "date": pa.date32(), "f": pa.float64(), "i": pa.int64(), "b": pa.bool_(), "amount": AMOUNT,
             "list": pa.list_(pa.string())}  # fmt: skip
    fields = []
    for column in columns.split():
        name, _, kind = column.partition(":")
        fields.append(pa.field(name, kinds[kind]))
    return pa.schema(fields)


_ENERGY = " ".join(f"{channel}_kwh:f" for channel in CHANNELS)
_GOLD_ENERGY = (
    f"{_ENERGY} self_consumed_kwh:f cost:amount export_revenue:amount currency emissions_kg_co2:f completeness_ratio:f"
    " derived_channels:list"
)
_DAY_FIGURES = "peak_kw:f peak_at:at base_load_kw:f self_sufficiency_ratio:f self_consumption_ratio:f"
_COVERED = " ".join(f"{channel}_covered_seconds:f" for channel in CHANNELS)
_SITE_FACTS = (
    "name time_zone latitude:f longitude:f country currency floor_area_m2:f occupants:i heating appliances pv_capacity_kw:f"
    " pv_tilt_degrees:f pv_azimuth_degrees:f battery_capacity_kwh:f battery_power_kw:f fuse_a:f grid_limit_kw:f price_zone carbon_zone"
    " tariff_id weather_station_id past_time_zones"
)
_DEVICE_FACTS = (
    "site_id name kind role energy_source decoder topic interval_seconds:i max_gap_seconds:i retired_at:at factor:f channels replacements"
)

_SITE_DAY = ("site_id", "local_date")

TABLES: dict[str, LakeTable] = {
    table.name: table
    for table in (
        LakeTable(
            "bronze/readings",
            _schema(
                "device_id channel measure measured_at:at interval_seconds:i value:f source received_at:at sequence:i quality"
                " measured_date:date"
            ),
            key=("device_id", "channel", "measure", "measured_at"),
            partition=("measured_date",),
            sort=("device_id", "channel", "measured_at", "received_at", "sequence"),
            properties={REMOVED_FILES_TOLD: "interval 1 hour"},
            schema_version=3,
        ),
        LakeTable(
            "bronze/weather",
            _schema("station_id quantity measured_at:at value:f is_forecast:b source received_at:at"),
            key=("station_id", "quantity", "measured_at", "is_forecast"),
        ),
        LakeTable(
            "bronze/prices",
            _schema("zone interval_start_at:at price_per_kwh:f currency is_forecast:b is_estimated:b source received_at:at"),
            key=("zone", "interval_start_at"),
        ),
        LakeTable(
            "bronze/carbon",
            _schema("zone interval_start_at:at kg_co2_per_kwh:f basis is_forecast:b is_estimated:b source received_at:at"),
            key=("zone", "interval_start_at", "basis"),
        ),
        LakeTable("bronze/device_status", _schema("device_id state at:at received_at:at"), key=("device_id", "at")),
        LakeTable(
            "bronze/rejected",
            _schema("rejected_id source topic payload reason received_at:at replayed_at:at payload_base64"),
            key=("rejected_id", "replayed_at"),
            schema_version=2,
        ),
        LakeTable(
            "silver/energy",
            _schema(
                "device_id site_id channel energy_source interval_start_at:at interval_seconds:i energy_kwh:f quality"
                " covered_seconds:f span_start_at:at span_seconds:i local_date:date refresh_id"
            ),
            key=("device_id", "channel", "interval_start_at"),
            schema_version=2,
            scope=_SITE_DAY,
            sort=("site_id", "device_id", "channel", "interval_start_at"),
        ),
        LakeTable(
            "silver/sealed",
            _schema(
                "device_id channel interval_start_at:at energy_kwh:f covered_seconds:f quality span_start_at:at span_seconds:i"
                " measured_date:date received_until:at refresh_id"
            ),
            key=("device_id", "measured_date", "channel", "interval_start_at"),
            scope=("device_id", "measured_date"),
            sort=("device_id", "channel", "interval_start_at"),
        ),
        LakeTable(
            "gold/energy_15min",
            _schema(f"site_id interval_start_at:at {_GOLD_ENERGY} local_date:date refresh_id"),
            key=("site_id", "interval_start_at"),
            scope=_SITE_DAY,
            sort=("site_id", "interval_start_at"),
        ),
        LakeTable(
            "gold/energy_hourly",
            _schema(f"site_id interval_start_at:at interval_seconds:i {_GOLD_ENERGY} local_date:date refresh_id"),
            key=("site_id", "interval_start_at"),
            scope=_SITE_DAY,
            sort=("site_id", "interval_start_at"),
        ),
        LakeTable(
            "gold/energy_daily",
            _schema(f"site_id local_date:date {_GOLD_ENERGY} {_DAY_FIGURES} {_COVERED} day_seconds:i refresh_id"),
            key=_SITE_DAY,
            scope=_SITE_DAY,
            sort=_SITE_DAY,
        ),
        LakeTable(
            "gold/energy_monthly",
            _schema(f"site_id local_month:date {_GOLD_ENERGY} {_DAY_FIGURES} {_COVERED} month_seconds:i refresh_id"),
            key=("site_id", "local_month"),
            scope=("site_id", "local_month"),
            sort=("site_id", "local_month"),
        ),
        LakeTable(
            "gold/cost_lines",
            _schema(
                "site_id local_date:date tariff_id part direction quantity:f quantity_unit unit_price:f amount:amount currency refresh_id"
            ),
            key=("site_id", "local_date", "tariff_id", "part"),
            scope=_SITE_DAY,
            sort=("site_id", "local_date", "part"),
        ),
        LakeTable(
            "gold/meter_events",
            _schema(
                "event_id device_id channel kind at:at evidence energy_kwh_affected:f decided_by is_overruled:b site_id"
                " local_date:date refresh_id"
            ),
            key=("event_id",),
            scope=_SITE_DAY,
            sort=("site_id", "at"),
        ),
        LakeTable(
            "gold/anomalies",
            _schema(
                "anomaly_id device_id site_id channel kind category status starts_at:at ends_at:at observed:f expected:f severity"
                " explanation message_key params local_date:date baseline_version refresh_id"
            ),
            key=("anomaly_id",),
            scope=_SITE_DAY,
            sort=("site_id", "starts_at"),
        ),
        LakeTable(
            "gold/data_quality",
            _schema(
                "device_id local_date:date received:i expected:i duplicates:i late:i rejected:i completeness_ratio:f"
                " longest_gap_minutes:f site_id estimated:i refresh_id"
            ),
            key=("device_id", "local_date"),
            schema_version=2,
            scope=_SITE_DAY,
            sort=("site_id", "device_id", "local_date"),
        ),
        LakeTable(
            "gold/device_status",
            _schema("device_id state last_reading_at:at clock_error_seconds:f site_id measured_until_at:at spacing_seconds:f refresh_id"),
            key=("device_id",),
            schema_version=2,
            scope=("device_id",),
            sort=("device_id",),
        ),
        LakeTable(
            "gold/revisions",
            _schema("site_id local_date:date column_name value_before:f value_after:f reason revised_at:at refresh_id"),
            key=("site_id", "local_date", "column_name", "refresh_id"),
        ),
        LakeTable(
            "gold/forecasts",
            _schema(
                "site_id channel issued_at:at interval_start_at:at horizon_hours:i predicted_kwh:f lower_80_kwh:f upper_80_kwh:f"
                " lower_95_kwh:f upper_95_kwh:f model_name model_version refresh_id"
            ),
            key=("site_id", "channel", "issued_at", "interval_start_at"),
        ),
        LakeTable(
            "gold/forecast_accuracy",
            _schema(
                "site_id channel model_name local_date:date lead_hours:i mae_kwh:f mase:f bias_kwh:f coverage_80_ratio:f"
                " coverage_95_ratio:f n:i refresh_id"
            ),
            key=("site_id", "channel", "model_name", "local_date", "lead_hours"),
            scope=_SITE_DAY,
        ),
        LakeTable(
            "gold/recommendations",
            _schema(
                "recommendation_id site_id rule_id title description category suggested_action effectiveness_score:f"
                " expected_saving_kwh:f expected_saving_cost:amount currency expected_saving_kg_co2:f valid_from:at valid_until:at"
                " generated_at:at status feedback_score:f message_key params refresh_id"
            ),
            key=("site_id", "recommendation_id"),
            scope=("site_id",),
            sort=("site_id", "recommendation_id"),
        ),
        LakeTable(
            "gold/savings",
            _schema(
                "savings_id site_id recommendation_id baseline_start_date:date baseline_end_date:date reporting_start_date:date"
                " reporting_end_date:date baseline_kwh:f actual_kwh:f saved_kwh:f saved_kwh_lower_80:f saved_kwh_upper_80:f"
                " saved_kwh_lower_95:f saved_kwh_upper_95:f saved_cost:amount saved_kg_co2:f method verdict refresh_id"
            ),
            key=("savings_id",),
            scope=("site_id",),
        ),
        LakeTable(
            "gold/peer_comparison",
            _schema("site_id local_month:date peer_group peers:i percentile:f site_kwh_per_m2:f median_kwh_per_m2:f refresh_id"),
            key=("site_id", "local_month"),
            scope=("site_id", "local_month"),
        ),
        LakeTable(
            "dims/sites",
            _schema(f"site_id {_SITE_FACTS} valid_from:at valid_until:at refresh_id"),
            key=("site_id", "valid_from"),
            scope=("site_id", "valid_from"),
            schema_version=2,
        ),
        LakeTable(
            "dims/devices",
            _schema(f"device_id {_DEVICE_FACTS} valid_from:at valid_until:at refresh_id"),
            key=("device_id", "valid_from"),
            scope=("device_id", "valid_from"),
            schema_version=2,
        ),
        LakeTable(
            "dims/tariff_prices",
            _schema("tariff_id part direction quantity_unit unit_price:f currency valid_from:at valid_until:at refresh_id"),
            key=("tariff_id", "part", "valid_from"),
            scope=("tariff_id", "part", "valid_from"),
        ),
        LakeTable(
            "dims/measured_channels",
            _schema("site_id device_id channel first_at:at last_at:at first_local_date:date last_local_date:date refresh_id"),
            key=("device_id", "channel"),
            scope=("site_id",),
            sort=("site_id", "device_id", "channel"),
        ),
        LakeTable(
            "meta/baselines",
            _schema("site_id channel week_start_date:date parameters version refresh_id"),
            key=("site_id", "channel", "week_start_date"),
        ),
        LakeTable(
            "meta/refreshes",
            _schema(
                "refresh_id kind started_at:at finished_at:at readings_in:i days_touched:i pending_days consumed_versions"
                " published_versions code_version"
            ),
            key=("refresh_id",),
        ),
    )
}
