"""`aurora train`, `forecast`, `recommend`: models, what comes next, what to do about it."""

from typing import Annotated

import typer

from orchestration.cli.context import open_context, progress_bars, show

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def train(json: Json = False) -> None:
    """Train the forecast models; runs and models are kept by MLflow."""
    from datetime import UTC, datetime

    from ml.forecast import train as train_models

    context = open_context()
    with progress_bars() as progress:
        trained = train_models(context.lake, context.accounts, context.home, context.settings, datetime.now(UTC), progress)
    show({"models": len(trained)}, json, f"{len(trained)} models trained.")


def forecast(json: Json = False) -> None:
    """Issue forecasts for the next 24 hours."""
    from datetime import UTC, datetime

    from ml.forecast import issue_forecasts

    context = open_context()
    rows = issue_forecasts(context.lake, context.accounts, context.home, context.settings, datetime.now(UTC))
    show({"rows": rows}, json, f"{rows} forecast hours published.")


def recommend(json: Json = False) -> None:
    """Score the recommendations."""
    from datetime import UTC, datetime

    from ml.advice import recommend as score

    context = open_context()
    rows = score(context.lake, context.accounts, context.home, context.settings, datetime.now(UTC))
    show({"recommendations": rows}, json, f"{rows} recommendations published.")
