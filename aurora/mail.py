"""Sends mail in the background, so that how long an answer takes says nothing of whether a mail went out."""

import queue
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from aurora.errors import Refused
from aurora.logs import logger
from aurora.settings import Settings

PORTS = {"smtp": 587, "smtps": 465}
TIMEOUT_SECONDS = 20
MOST_WAITING = 1000
RETRY_SECONDS = (5, 30)
LAST_SECONDS = 2.0
_log = logger(__name__)


class Post:
    """The way out for mail of one process.

    Jobs run one after the other in a thread of their own. A process that ends gives them `LAST_SECONDS` (`close`); what waits
    longer, because the server does not answer, is lost and counted in the log, and people ask again.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.mail_url.get_secret_value()
        self._sender = settings.mail_from
        self.public_url = (settings.public_url or f"http://{settings.host}:{settings.app_port}").rstrip("/")
        self._jobs: queue.Queue[Callable[[], object]] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        if self._url and urlsplit(self._url).scheme not in PORTS:
            raise Refused("AURORA_MAIL_URL must begin with smtp:// or smtps://. Correct it, or leave it empty to send no mail.")
        if self._url and not self._sender:
            raise Refused("AURORA_MAIL_FROM is missing: set it to the address that mail comes from, such as aurora@example.com.")

    @property
    def is_configured(self) -> bool:
        """Whether mail can be sent at all."""
        return bool(self._url)

    def later(self, job: Callable[[], object]) -> None:
        """Run `job` in the background; where too much waits already it is dropped and logged."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mail", daemon=True)
                self._thread.start()
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            _log.error("mail_dropped", waiting=MOST_WAITING)

    def finish(self, within_seconds: float | None = None) -> bool:
        """Wait until every job so far is done, at most `within_seconds`; whether all are."""
        with self._jobs.all_tasks_done:
            return self._jobs.all_tasks_done.wait_for(lambda: not self._jobs.unfinished_tasks, within_seconds)

    def close(self) -> None:
        """Send what waits as the process ends, for `LAST_SECONDS` at most."""
        if not self.finish(LAST_SECONDS):
            _log.error("mail_lost", waiting=self._jobs.unfinished_tasks)

    def send(self, recipient: str, subject: str, body: str, *, is_patient: bool = True) -> bool:
        """Send one mail now, with two more tries where it `is_patient`; whether it was taken.

        A mail that cannot be sent is logged without its text and recipient.
        """
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, recipient, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=urlsplit(self.public_url).hostname or "localhost")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        for wait in (*(RETRY_SECONDS if is_patient else ()), None):
            try:
                deliver(self._url, message)
            except (OSError, smtplib.SMTPException) as error:
                _log.warning("mail_failed", error=type(error).__name__, is_last=wait is None)
                if wait is None or isinstance(error, smtplib.SMTPRecipientsRefused):
                    return False
                time.sleep(wait)
            else:
                return True
        return False

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception as error:
                # A job also asks the accounts. Whatever becomes of one, the next ones are somebody else's.
                _log.error("mail_failed", error=type(error).__name__)
            finally:
                self._jobs.task_done()


def deliver(url: str, message: EmailMessage) -> None:
    """Hand a message to the server at `url`: TLS from the start for smtps, STARTTLS where smtp offers it and always before a password.

    Raises:
        OSError, smtplib.SMTPException: If it was not taken.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or PORTS[parts.scheme]
    context = ssl.create_default_context()
    is_wrapped = parts.scheme == "smtps"
    with (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        if is_wrapped
        else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    ) as server:
        server.ehlo()
        if not is_wrapped and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
        elif not is_wrapped and parts.username:
            raise smtplib.SMTPException("the server offers no TLS, so the password is not sent")
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
