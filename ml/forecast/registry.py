"""Where trainings are kept: every run in MLflow on an embedded store, the champions' numbers in a file beside it.

The file is what forecasts are issued from: opening it takes milliseconds, importing MLflow takes seconds.
The only module that imports MLflow.
"""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora.errors import Refused, Transient
from aurora.home import Home, write_private
from ml.forecast.backtest import Score
from ml.forecast.bands import Bands
from ml.forecast.curve import Curve

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "aurora-forecasts"
CHAMPION = "champion"
MODELS_FILE = "models.json"
SCORES_FILE = "scores.json"
MOST_SERIES_AS_METRICS = 100


@dataclass(frozen=True)
class Champion:
    """What forecasts of one site's channel are issued from."""

    site_id: str
    channel: str
    model_name: str
    model_version: str
    run_id: str
    trained_at: str
    curve: Curve
    bands: Bands


@dataclass(frozen=True)
class Trained:
    """One series of a training: its curve and bands, its scores and the same-hour median's, the model as Prophet writes it."""

    site_id: str
    channel: str
    curve: Curve
    bands: Bands
    score: Score
    reference: Score
    document: str


@dataclass(frozen=True)
class Run:
    """A logged training: its MLflow run and the version it has in each channel's registered model."""

    run_id: str
    versions: dict[str, str]


def tracking_uri(home: Home) -> str:
    """SQLAlchemy address of this installation's MLflow store; `mlflow ui --backend-store-uri` takes it."""
    return f"sqlite:///{home.path / 'mlflow' / 'mlflow.db'}"


def registered_name(channel: str) -> str:
    """Name of a channel's registered model."""
    return f"aurora-{channel}"


def log_run(home: Home, parameters: dict[str, Any], trained: Sequence[Trained], now: datetime) -> Run:
    """Log a training as one run with one artefact of all its models, and make it the champion of each of its channels.

    Raises:
        Transient: If the store cannot be written.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return _log_run(home, parameters, trained, now)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise _unwritten(home, error) from error


def _log_run(home: Home, parameters: dict[str, Any], trained: Sequence[Trained], now: datetime) -> Run:
    client = _client(home)
    run = client.create_run(_experiment(client, home), run_name=f"train-{now:%Y%m%dT%H%M%SZ}", start_time=_milliseconds(now))
    run_id = run.info.run_id
    _log_figures(client, run_id, parameters, trained, now)
    models: dict[str, dict[str, Any]] = {}
    for series in trained:
        models.setdefault(series.channel, {})[series.site_id] = json.loads(series.document)
    client.log_dict(run_id, models, MODELS_FILE)
    client.log_dict(run_id, {"series": [_figures(series) for series in trained]}, SCORES_FILE)
    client.set_terminated(run_id)
    return Run(run_id, {channel: _register(client, channel, run_id, f"{run.info.artifact_uri}/{MODELS_FILE}") for channel in models})


def _unwritten(home: Home, error: Exception) -> Transient:
    root: BaseException = error
    while (under := root.__cause__ or root.__context__) is not None:
        root = under
    cause = str(root).partition("\n")[0]
    way_out = "Make room and run `aurora train`; forecasts go on from the models of before."
    return Transient(f"The models in {home.path / 'mlflow'} cannot be written ({cause}). {way_out}")


def _client(home: Home) -> "MlflowClient":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    (home.path / "mlflow").mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri(home), registry_uri=tracking_uri(home))


def _experiment(client: "MlflowClient", home: Home) -> str:
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return known.experiment_id
    return client.create_experiment(EXPERIMENT, artifact_location=(home.path / "mlflow" / "artifacts").as_uri())


def _log_figures(client: "MlflowClient", run_id: str, parameters: dict[str, Any], trained: Sequence[Trained], now: datetime) -> None:
    from mlflow.entities import Metric, Param

    figures: dict[str, float] = {"series": len(trained)}
    for channel in sorted({series.channel for series in trained}):
        of_channel = [series for series in trained if series.channel == channel]
        for name in ("mae_kwh", "mase", "bias_kwh", "coverage_80_ratio", "coverage_95_ratio"):
            figures |= _mean(f"{channel}.{name}", [getattr(series.score, name) for series in of_channel])
        figures |= _mean(f"{channel}.same_hour_median_mase", [series.reference.mase for series in of_channel])
    for series in trained[:MOST_SERIES_AS_METRICS]:
        figures |= _mean(f"{channel_path(series)}.mae_kwh", [series.score.mae_kwh])
        figures |= _mean(f"{channel_path(series)}.mase", [series.score.mase])
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, _milliseconds(now), 0) for name, value in figures.items()],
        params=[Param(name, str(value)) for name, value in parameters.items()],
    )


def channel_path(series: Trained) -> str:
    """How a series is called among a run's metrics."""
    return f"site.{series.site_id}.{series.channel}"


def _mean(name: str, values: Sequence[float | None]) -> dict[str, float]:
    known = [value for value in values if value is not None]
    return {name: sum(known) / len(known)} if known else {}


def _figures(series: Trained) -> dict[str, Any]:
    return {
        "site_id": series.site_id,
        "channel": series.channel,
        "prophet": asdict(series.score),
        "median_same_hour_7d": asdict(series.reference),
        "curve": series.curve.as_json(),
        "bands": series.bands.as_json(),
    }


def _register(client: "MlflowClient", channel: str, run_id: str, source: str) -> str:
    name = registered_name(channel)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=f"Hourly {channel} of every site, one curve each.")
    version = client.create_model_version(name, source=source, run_id=run_id)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)


def keep_champions(home: Home, champions: Sequence[Champion]) -> None:
    """Put champions in the place of those of the same series; the file is replaced whole or not at all.

    Raises:
        Transient: If it cannot be written.
    """
    held = {(one.site_id, one.channel): one for one in [*load_champions(home).values(), *champions]}
    try:
        write_private(_champions_file(home), json.dumps({"champions": [asdict(held[key]) for key in sorted(held)]}))
    except OSError as error:
        raise _unwritten(home, error) from error


def load_champions(home: Home) -> dict[tuple[str, str], Champion]:
    """The champions by (site_id, channel); none before the first training.

    Raises:
        Refused: If their file is damaged.
    """
    file = _champions_file(home)
    if not file.exists():
        return {}
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["champions"]
        held = [Champion(**row | {"curve": Curve(**row["curve"]), "bands": Bands(**row["bands"])}) for row in rows]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{file} is damaged. Remove it and run `aurora train`.") from None
    return {(one.site_id, one.channel): one for one in held}


def _champions_file(home: Home) -> Path:
    return home.path / "mlflow" / "champions.json"


def _milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)
