"""Files over HTTP: what `aurora import` does, for people and gateways."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurora.accounts.database import Accounts
from aurora.errors import Refused
from aurora.home import Home
from aurora.lake.store import open_lake
from aurora.processes import end_with_parent
from aurora.settings import Settings
from ingestion.bodies import Turned, shown
from ingestion.files import import_file
from ingestion.messages import Fault
from ingestion.packing import TooLarge, refuse_endless_line, unpacked
from ingestion.registry import Sender

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.datastructures import FormData, UploadFile
    from starlette.types import Message, Receive

WORDS = ("device", "role", "time_column", "time_zone", "unit", "measure", "label", "decimal")
YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})
MOST_FIELDS = 200
LONGEST_FIELD_BYTES = 4096
WAIT_SECONDS = 60.0
MOST_WAITING = 8
NICENESS = 10
BLOCK_BYTES = 1024**2
PAUSE_SECONDS = 30.0


class Uploads:
    """Imports the files that come, one at a time, each in a process of its own.

    A file may take many times its size in memory: where there is not enough of it, that process ends and not the one that hears readings.
    """

    def __init__(self, settings: Settings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def most_bytes(self) -> int:
        """Of a file, with what else is sent along, and of what is packed in it. [byte]"""
        return self._settings.max_file_bytes

    async def take(self, sender: Sender, site: str, name: str, content: "UploadFile", how: dict[str, Any]) -> dict[str, Any]:
        """Import a file for a site and tell what became of it, with the first refused rows.

        Args:
            sender: Who sends it.
            site: Id of the site.
            name: What the file is called.
            content: What is in it.
            how: Arguments of `import_file` that were said.

        Raises:
            Turned: 404 for a site the credentials do not speak for, 400 where the file is refused, 413 where it is too large, 503 while
                others are imported.
        """
        from starlette.concurrency import run_in_threadpool

        if site not in sender.site_ids:
            raise Turned(404, "There is no such site that your credentials speak for.")
        # Whoever waits for his turn holds no thread: readings need those.
        async with self._in_turn():
            return await run_in_threadpool(self._import, site, name, content, how)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise Turned(503, "Other files are being imported. Send it again in a minute.")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise Turned(503, "Other files are being imported. Send it again in a minute.") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def _import(self, site: str, name: str, content: "UploadFile", how: dict[str, Any]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="upload-", dir=self._home.run) as folder:
            file = Path(folder) / (Path(name.replace("\\", "/")).name[:128] or "file")
            with file.open("wb") as target:
                shutil.copyfileobj(content.file, target, BLOCK_BYTES)
            try:
                with ProcessPoolExecutor(1, get_context("spawn"), _yield_to_others) as alone:
                    return alone.submit(import_upload, self._settings, file, site, how).result()
            except TooLarge as large:
                raise Turned(413, str(large)) from None
            except BrokenProcessPool:
                raise Turned(413, "The file takes more memory than there is. Send it in parts.") from None
            except Refused as refused:
                raise Turned(400, [shown(Fault("file", "refused", str(refused)))]) from None


def _yield_to_others() -> None:
    """Take only what others leave of the processor, and end before them where memory runs out, as well as with who started this process."""
    end_with_parent()
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def import_upload(settings: Settings, file: Path, site: str, how: dict[str, Any]) -> dict[str, Any]:
    """Import a file that may be hostile; tells what `aurora import` does, with the first refused rows instead of the file they are in.

    Raises:
        TooLarge: If more is packed in it than may be sent, or a line of it is endless.
        Refused: As `import_file`.
    """
    lake, accounts = open_lake(settings.resolved_lake_uri, sync=settings.sync_commits), Accounts(settings.resolved_database_url)
    with unpacked(file, settings.max_file_bytes) as plain:
        if plain != file:
            shutil.move(plain, file)
        refuse_endless_line(file)
    done = import_file(lake, accounts, settings, file, site, **how)
    return {name: value for name, value in done.as_dict().items() if name != "rejected_file"}


def install(app: "FastAPI", uploads: Uploads, enter: Callable[[str | None, str | None, str], Sender]) -> None:
    """Serve `POST /v1/ingest/files`: a form with the file, its site, and what `aurora import` takes as flags."""
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import UploadFile
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    async def take(request: Request) -> JSONResponse:
        address = request.client.host if request.client else ""
        sender = await run_in_threadpool(enter, request.headers.get("x-api-key"), request.headers.get("authorization"), address)
        length = request.headers.get("content-length", "")
        if not length.isdigit():
            raise Turned(411, "Say how long the body is (Content-Length).")
        if int(length) > uploads.most_bytes:
            raise Turned(413, f"The file is larger than {uploads.most_bytes} bytes. Send it packed, or in parts.")
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise Turned(400, [shown(Fault("file", "missing_field", "Send a form (multipart/form-data) with file and site_id."))])
        patient = Request(request.scope, _timed(request.receive))
        async with patient.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD_BYTES) as form:
            file, site = form.get("file"), form.get("site_id")
            missing = [name for name, given in (("file", file), ("site_id", site)) if not given]
            if missing or not isinstance(file, UploadFile) or not isinstance(site, str):
                raise Turned(400, [shown(Fault(name, "missing_field", f"{name} is missing.")) for name in missing or ["file"]])
            how = asked(form)
            done = await uploads.take(sender, site, file.filename or "file", file, how)
        return JSONResponse(done, 202)

    app.add_route("/v1/ingest/files", take, methods=["POST"], include_in_schema=False)


def _timed(receive: "Receive") -> "Receive":
    """The same, but whoever pauses too long while he sends is not waited for."""

    async def next_part() -> "Message":
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                return await receive()
        except TimeoutError:
            raise Turned(408, f"Nothing came for {PAUSE_SECONDS:.0f} s. Send the file again.") from None

    return next_part


def asked(form: "FormData") -> dict[str, Any]:
    """What a form says of the file, as arguments of `import_file`. Raises Turned (400) for a channel or a wish that is none."""
    how: dict[str, Any] = {name: value for name in WORDS if isinstance(value := form.get(name), str) and value}
    pairs = [str(pair).rpartition("=") for pair in form.getlist("channel")]
    if any(not column or not channel for column, _, channel in pairs):
        raise Turned(400, [shown(Fault("channel", "wrong_type", "Expected COLUMN=channel, such as Netzbezug=grid_import."))])
    how["channels"] = {column: channel for column, _, channel in pairs}
    wish = str(form.get("dry_run", "")).lower()
    if wish not in {*YES, *NO}:
        raise Turned(400, [shown(Fault("dry_run", "wrong_type", "Expected true or false."))])
    how["dry_run"] = wish in YES
    return how
