"""Long work that an admin starts: training of the forecast models."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from app.api.access import Caller
from app.dagster import Dagster
from aurora.accounts.models import User
from aurora.domain.texts import text

router = APIRouter(responses={401: {}, 403: {}, 503: {"description": "Dagster does not answer; see Retry-After."}})


class StartedJob(BaseModel):
    """A job that waits or runs."""

    job_id: str


class JobState(StartedJob):
    """How far a job is."""

    state: Literal["queued", "running", "done", "failed"]
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None


def get_admin(caller: Caller) -> User:
    """The caller, where they are an admin; else 403."""
    if caller.role != "admin":
        raise HTTPException(403, text("api.only_admins"))
    return caller


def get_dagster(request: Request) -> Dagster:
    """Dagster, as this process asks it."""
    return request.app.state.dagster


Admin = Annotated[User, Depends(get_admin)]
Asked = Annotated[Dagster, Depends(get_dagster)]


@router.post("/forecast/train_model", summary="Train the forecast models", status_code=202, tags=["forecasts"])
def train_model(_admin: Admin, dagster: Asked) -> StartedJob:
    """Start the training of all models; while one waits or runs its id is the answer."""
    return StartedJob(job_id=dagster.train())


@router.get("/jobs/{job_id}", summary="How far a job is", responses={404: {}}, tags=["jobs"])
def job(job_id: str, _admin: Admin, dagster: Asked) -> JobState:
    """State of a training."""
    found = dagster.job(job_id)
    if found is None:
        raise HTTPException(404, text("api.no_such_job", job_id=job_id))
    return JobState(**asdict(found))
