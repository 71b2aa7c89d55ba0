"""Every error Aurora raises on purpose.

    AuroraError
    ├── Refused       the request cannot be granted; the message says what to do instead   (exit 3)
    │   └── NotReady  something must be set up or must arrive first                        (exit 3)
    ├── Busy          somebody else holds what is needed; the same call may succeed later  (exit 75)
    └── Transient     a part outside failed in passing; retry with back-off                (exit 75)

A bad message from a device is none of these: it is data and goes to `bronze/rejected` with its reason.
"""

EXIT_REFUSED = 3
EXIT_BUSY = 75


class AuroraError(Exception):
    """Root of all errors raised on purpose; `str(error)` is one line that says the way out."""

    exit_code = EXIT_REFUSED


class Refused(AuroraError):
    """The request cannot be granted as it stands; a retry of the same call will not help."""


class NotReady(Refused):
    """Something the request needs is not there yet; the message says how to get it."""


class Busy(AuroraError):
    """Another holder has what is needed; the same call may succeed later."""

    exit_code = EXIT_BUSY


class Transient(AuroraError):
    """A part outside failed in passing; callers retry with back-off."""

    exit_code = EXIT_BUSY
