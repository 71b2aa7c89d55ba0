"""Runs of Dagster's jobs, asked for and started over its GraphQL address."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from aurora.domain.texts import text
from aurora.errors import Transient

TRAIN_JOB = "train_models_job"
LOCATION, REPOSITORY = "aurora", "__repository__"
TIMEOUT_SECONDS = 10.0
AT_WORK = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
STATES = dict.fromkeys(["QUEUED", "NOT_STARTED", "MANAGED"], "queued") | dict.fromkeys(["STARTING", "STARTED", "CANCELING"], "running") | {
    "SUCCESS": "done", "FAILURE": "failed", "CANCELED": "failed",
}  # fmt: skip
_RUNS = """query($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) { __typename
  ... on Runs { results { runId status jobName startTime endTime } } ... on PythonError { message } } }"""
_LAUNCH = """mutation($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Job:
    """A run of a job.

    Attributes:
        state: queued, running, done or failed.
        message: Why it failed, in Dagster's word; None else.
    """

    job_id: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None


class Dagster:
    """Dagster's webserver at one address. Safe between threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._starting = threading.Lock()

    def train(self) -> str:
        """Id of the training that waits or runs, which is started where there is none. Raises Transient where Dagster is away."""
        with self._starting:
            if at_work := self._newest({"pipelineName": TRAIN_JOB, "statuses": AT_WORK}):
                return at_work["runId"]
            selector = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, "jobName": TRAIN_JOB}
            answer = self._ask(_LAUNCH, {"parameters": {"selector": selector, "mode": "default", "runConfigData": {}}})["launchRun"]
            if answer["__typename"] != "LaunchRunSuccess":
                raise Transient(text("api.dagster_away", url=self._url))
            return answer["run"]["runId"]

    def job(self, job_id: str) -> Job | None:
        """A training by its id; None where there is none. Raises Transient where Dagster is away."""
        run = self._newest({"runIds": [job_id], "pipelineName": TRAIN_JOB})
        if run is None:
            return None
        state = STATES.get(run["status"], "queued")
        message = run["status"].lower() if state == "failed" else None
        return Job(run["runId"], state, _moment(run["startTime"]), _moment(run["endTime"]), message)

    def _newest(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        found = self._ask(_RUNS, {"filter": wanted})["runsOrError"]
        if found["__typename"] != "Runs":
            raise Transient(text("api.dagster_away", url=self._url))
        return found["results"][0] if found["results"] else None

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = httpx.post(f"{self._url}/graphql", json={"query": query, "variables": variables}, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            return answer.json()["data"]
        except (httpx.HTTPError, ValueError, KeyError):
            raise Transient(text("api.dagster_away", url=self._url)) from None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
