"""Every error Aurora raises on purpose.

    AuroraError
    ├── Refused       the request cannot be granted; the message says what to do instead   (exit 3)
    │   ├── NotReady  something must be set up or must arrive first                        (exit 3)
    │   ├── Unknown   there is no such thing                                               (exit 3)
    │   ├── Gone      it was there and is not kept any more                                (exit 3)
    │   ├── Conflict  what is there already stands against it                              (exit 3)
    │   └── WrongFacts  facts that cannot be true, by name                                 (exit 3)
    ├── Damaged       a file is not as it was written; the message names it and the way back       (exit 3)
    │   └── Missing   it is not there at all                                           (exit 3)
    ├── Busy          somebody else holds what is needed; the same call may succeed later  (exit 75)
    └── Transient     a part outside failed in passing; retry with back-off                (exit 75)

A bad message from a device is none of these: it is data and goes to `bronze/rejected` with its reason.
"""

from collections.abc import Sequence

EXIT_REFUSED = 3
EXIT_BUSY = 75


class AuroraError(Exception):
    """Root of all errors raised on purpose; `str(error)` is one line that says the way out."""

    exit_code = EXIT_REFUSED


class Refused(AuroraError):
    """The request cannot be granted as it stands; a retry of the same call will not help."""


class NotReady(Refused):
    """Something the request needs is not there yet; the message says how to get it."""


class Unknown(Refused):
    """There is nothing by that name; the message says where the names are."""


class Gone(Refused):
    """It was there once and is not kept any more; the message says how long such things are."""


class Conflict(Refused):
    """What is there already stands against the request; the message says what has to go or change first."""


class WrongFacts(Refused):
    """Facts that cannot be taken.

    Attributes:
        problems: Name of each fact and why it was refused.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(". ".join(f"{name} {reason}".strip() for name, reason in problems) + ".")
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type["WrongFacts"], tuple[tuple[tuple[str, str], ...]]]:
        """As it goes from one process to another, which by itself would bring the sentence in place of the problems."""
        return type(self), (self.problems,)


class Damaged(AuroraError):
    """A file is not as it was written: bytes flipped, cut off or lost. What is not damaged goes on."""


class Missing(FileNotFoundError, Damaged):
    """A file is not there, though what names it is."""


class Busy(AuroraError):
    """Another holder has what is needed; the same call may succeed later."""

    exit_code = EXIT_BUSY


class Transient(AuroraError):
    """A part outside failed in passing; callers retry with back-off."""

    exit_code = EXIT_BUSY
