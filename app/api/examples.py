"""What answers look like, for the description of the API."""

from typing import Any

from pydantic import BaseModel

SITE: dict[str, Any] = {
    "site_id": "haus-nord", "name": "Haus Nord", "time_zone": "Europe/Berlin", "latitude": 52.5, "longitude": 13.4, "country": "DE",
    "currency": "EUR", "floor_area_m2": 140.0, "occupants": 3, "heating": "heat_pump", "appliances": None, "pv_capacity_kw": 9.9,
    "pv_tilt_degrees": 35.0, "pv_azimuth_degrees": 180.0, "battery_capacity_kwh": None, "battery_power_kw": None, "fuse_a": 35.0,
    "grid_limit_kw": None, "price_zone": "DE-LU", "carbon_zone": "DE", "tariff_id": None, "weather_station_id": None,
    "created_at": "2026-11-01T09:30:00Z",
}  # fmt: skip
DEVICE: dict[str, Any] = {
    "device_id": "meter", "site_id": "haus-nord", "name": "Meter", "kind": "meter", "role": "main", "energy_source": None, "decoder": None,
    "topic": "aurora/v1/meter/readings", "interval_seconds": 900, "max_gap_seconds": None, "inputs": None, "factor": None,
    "channels": None, "replacements": None, "is_import": False,
    "retired_at": None, "created_at": "2026-11-01T09:30:00Z",
}  # fmt: skip
MEMBER: dict[str, Any] = {"user_id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "username": "bob", "role": "viewer", "ends_at": None}
INVITATION: dict[str, Any] = {
    "invitation_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "site_id": "haus-nord", "email": "bob@example.org", "role": "viewer",
    "ends_at": None, "created_at": "2026-11-01T09:30:00Z", "expires_at": "2026-11-15T09:30:00Z",
}  # fmt: skip
KEY: dict[str, Any] = {"key_id": "16fd2706-8baf-433b-82eb-8c7fada847da", "name": "Cellar", "created_at": "2026-11-01T09:30:00Z"}
SECRET_KEY: dict[str, Any] = {"key_id": KEY["key_id"], "key": "N2Jk-example-of-a-key-that-is-shown-once-0000"}
TARIFF: dict[str, Any] = {
    "tariff_id": "haus-nord-1a2b3c4d", "name": "Flat 2026", "currency": "EUR",
    "prices": [
        {
            "part": "energy", "direction": "import", "quantity_unit": "kWh", "unit_price": 0.3125, "valid_from": "1970-01-01T00:00:00Z",
            "valid_until": None,
        }
    ],
}  # fmt: skip

USER_ID = "9c858901-8a57-4791-81fe-4c455b099bc9"
REFRESH_ID = "20261115T1005-1f0c"
PERSON: dict[str, Any] = {
    "user_id": USER_ID, "username": "ada", "full_name": "Ada Lovelace", "email": "ada@example.com", "pending_email": None,
    "email_confirmed_at": "2026-11-01T09:35:00Z", "language": "en", "role": "user", "created_at": "2026-11-01T09:30:00Z",
}  # fmt: skip
LOGIN: dict[str, Any] = {
    "session_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "kind": "browser", "user_agent": "Mozilla/5.0", "address": "192.0.2.7",
    "created_at": "2026-11-14T07:00:00Z", "last_used_at": "2026-11-15T10:00:00Z", "expires_at": "2026-11-28T07:00:00Z", "is_current": True,
}  # fmt: skip
AUDIT_ENTRY: dict[str, Any] = {
    "audit_id": "e902893a-9d22-3c7e-a7b8-d6e313b71d9f", "at": "2026-11-15T10:00:00Z", "user_id": USER_ID, "action": "login.start",
    "subject_kind": "user", "subject_id": USER_ID, "site_id": None, "address": "192.0.2.7", "details": None,
}  # fmt: skip
TOKENS: dict[str, Any] = {
    "user_id": USER_ID, "access_token": "eyJhbGciOiJIUzI1NiJ9.an-example.of-a-token", "token_type": "bearer", "expires_in": 900,
    "refresh_token": "an-example-of-a-secret-that-is-good-once",
}  # fmt: skip
PAGE: dict[str, Any] = {"refresh_id": REFRESH_ID, "as_of": "2026-11-15T10:05:12Z", "next": None}
SUBJECT: dict[str, Any] = {"site_id": "haus-nord", "device_id": None, "refresh_id": REFRESH_ID, "as_of": "2026-11-15T10:05:12Z"}
ENERGIES: dict[str, Any] = {
    "consumption_kwh": 9.2, "production_kwh": 11.4, "grid_import_kwh": 3.1, "grid_export_kwh": 5.3, "battery_charge_kwh": 0.0,
    "battery_discharge_kwh": 0.0, "self_consumed_kwh": 6.1, "cost": 0.969, "export_revenue": 0.4346, "currency": "EUR",
    "emissions_kg_co2": None, "completeness_ratio": 1.0, "derived_channels": ["consumption"], "peak_kw": 2.6,
    "peak_at": "2026-11-14T17:15:00Z", "base_load_kw": 0.14, "self_sufficiency_ratio": 0.663, "self_consumption_ratio": 0.535,
}  # fmt: skip
PERIOD: dict[str, Any] = {"period_start_at": "2026-11-13T23:00:00Z", "period_end_at": "2026-11-14T23:00:00Z"}
EARLIER: dict[str, Any] = {"period_start_at": "2026-11-12T23:00:00Z", "period_end_at": "2026-11-13T23:00:00Z", "consumption_kwh": 8.0}
EXPECTED: dict[str, Any] = {
    "interval_start_at": "2026-11-15T11:00:00Z", "horizon_hours": 1, "predicted_kwh": 0.42, "lower_80_kwh": 0.28, "upper_80_kwh": 0.61,
    "lower_95_kwh": 0.21, "upper_95_kwh": 0.79,
}  # fmt: skip
ANOMALY: dict[str, Any] = {
    "anomaly_id": "spike-meter-20261114", "device_id": "meter", "site_id": "haus-nord", "channel": "consumption", "kind": "spike",
    "category": "behaviour", "status": "open", "starts_at": "2026-11-14T17:00:00Z", "ends_at": "2026-11-14T18:00:00Z", "observed": 6.4,
    "expected": 0.9, "severity": "critical", "explanation": "Consumption was 6.4 kWh from 18:00 to 19:00; 0.9 kWh are usual then.",
    "message_key": "anomaly.spike", "params": {"observed_kwh": 6.4, "expected_kwh": 0.9}, "local_date": "2026-11-14",
    "baseline_version": "2026-11-09-1", "is_acknowledged": False,
}  # fmt: skip
QUALITY: dict[str, Any] = {
    "device_id": "meter", "local_date": "2026-11-14", "site_id": "haus-nord", "received": 95, "expected": 96, "duplicates": 2, "late": 1,
    "rejected": 0, "completeness_ratio": 0.99, "longest_gap_minutes": 15.0, "estimated": 0,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "device_id": "meter", "site_id": "haus-nord", "state": "online", "last_reading_at": "2026-11-15T10:00:00Z", "clock_error_seconds": None,
    "measured_until_at": "2026-11-15T10:15:00Z", "spacing_seconds": 900.0,
}  # fmt: skip
METER_EVENT: dict[str, Any] = {
    "event_id": "reset-meter-20261103", "device_id": "meter", "site_id": "haus-nord", "channel": "grid_import", "kind": "reset",
    "at": "2026-11-03T08:15:00Z", "local_date": "2026-11-03", "evidence": "4711.25 kWh, then 0.1 kWh", "energy_kwh_affected": 0.1,
    "decided_by": "rule", "is_overruled": False,
}  # fmt: skip
RECOMMENDATION: dict[str, Any] = {
    "recommendation_id": "base-load-haus-nord-2026-46", "site_id": "haus-nord", "rule_id": "base_load",
    "title": "Find what runs day and night",
    "description": "Over the last four weeks at least 310 W ran at any hour, 120 W more than in May, your best month.", "category": "usage",
    "suggested_action": "Late in the evening switch off what is not needed, one device at a time.", "effectiveness_score": 0.6,
    "expected_saving_kwh": 40.3, "expected_saving_cost": 12.59, "currency": "EUR", "expected_saving_kg_co2": None,
    "valid_from": "2026-11-15T10:05:12Z", "valid_until": None, "generated_at": "2026-11-15T10:05:12Z", "status": "open",
    "feedback_score": None, "message_key": "advice.base_load", "params": {"recent_w": 310, "excess_w": 120}, "feedback": None,
}  # fmt: skip
# Answers whose shapes are made from tables or live with their endpoints, by the name of the shape.
# FastAPI leaves nulls out of the examples that a model brings itself, so those that hold one stand here.
ANSWERS: dict[str, dict[str, Any]] = {
    "KnownDevice": DEVICE,
    "AlteredDevice": DEVICE | {"sealed_days": None},
    "KnownDevices": {"devices": [DEVICE]},
    "KnownContract": TARIFF,
    "Member": MEMBER,
    "Members": {"members": [MEMBER]},
    "Membership": {"site_id": "haus-nord", "role": "viewer", "ends_at": None},
    "OpenInvitation": INVITATION,
    "OpenInvitations": {"invitations": [INVITATION]},
    "MadeInvitation": INVITATION | {"token": "an-example-of-a-secret-shown-once"},
    "Told": {"detail": "If there is such an account and mail can be sent, a mail with a way back in is on its way."},
    "TokenPair": TOKENS,
    "Registered": {name: PERSON[name] for name in ("user_id", "username", "email", "role", "created_at")},
    "Person": PERSON,
    "LoginsShape": {"sessions": [LOGIN]},
    "AuditShape": {"entries": [AUDIT_ENTRY]},
    "ExportShape": {"profile": PERSON, "memberships": [], "sites": [], "devices": [], "logins": [], "audit": [AUDIT_ENTRY]},
    "SummaryAnswer": SUBJECT | {"period": "yesterday"} | PERIOD | ENERGIES,
    "TrendAnswer": SUBJECT | {"interval": "day", "next": None, "points": [{"local_date": "2026-11-14", "day_seconds": 86_400} | ENERGIES]},
    "ComparisonAnswer": SUBJECT
    | {"compare_to": "previous_period", "period": "yesterday", "current": PERIOD | ENERGIES, "base": EARLIER}
    | {"changes": {"consumption_kwh": {"absolute": 1.2, "relative": 0.15}}},
    "ForecastAnswer": SUBJECT
    | {"channel": "consumption", "horizon": "24h", "issued_at": "2026-11-15T10:00:00Z", "model_name": "aurora", "model_version": "7"}
    | {"points": [EXPECTED]},
    "StartedJob": {"job_id": "5e0e2a0c-36f8-4f4b-a3c9-0f3f7a3c7d52"},
    "JobState": {
        "job_id": "5e0e2a0c-36f8-4f4b-a3c9-0f3f7a3c7d52", "state": "running", "message": None, "started_at": "2026-11-15T10:06:00Z",
        "finished_at": None,
    },
    "KeptFeedback": {
        "recommendation_id": RECOMMENDATION["recommendation_id"], "site_id": "haus-nord", "feedback": "accepted",
        "given_at": "2026-11-15T10:10:00Z",
    },
    "KeptOverruling": {
        "overruled": True, "reason": "The register was read by hand that day.", "event_id": METER_EVENT["event_id"], "site_id": "haus-nord",
        "decided_at": "2026-11-15T10:10:00Z", "is_sealed": False,
    },
    "KeptAcknowledging": {
        "acknowledged": True, "reason": "The sauna; it was us.", "anomaly_id": ANOMALY["anomaly_id"], "site_id": "haus-nord",
        "decided_at": "2026-11-15T10:10:00Z",
    },
    "RecommendationsPage": PAGE | {"recommendations": [RECOMMENDATION]},
    "AnomaliesPage": PAGE | {"anomalies": [ANOMALY]},
    "DataQualityPage": PAGE | {"data_quality": [QUALITY]},
    "DeviceStatusPage": PAGE | {"device_status": [STATUS]},
    "MeterEventsPage": PAGE | {"meter_events": [METER_EVENT]},
}  # fmt: skip


def answer(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The description of an answer of that shape."""
    return {status: {"model": model}}
