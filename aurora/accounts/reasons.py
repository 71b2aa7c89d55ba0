"""The reason that a person gives with what they decide."""

from aurora.errors import WrongFacts

LONGEST_REASON = 512


def refuse_long_reason(reason: str | None) -> None:
    """Raise WrongFacts where a reason is longer than is kept."""
    if reason is not None and len(reason) > LONGEST_REASON:
        raise WrongFacts([("reason", f"has at most {LONGEST_REASON} characters")])
