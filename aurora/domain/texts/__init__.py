"""Every text a person reads on a page, in an API message or in a recommendation, by key and language."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, cast

FALLBACK_LANGUAGE = "en"


def text(key: str, language: str = FALLBACK_LANGUAGE, **params: Any) -> str:
    """The text of `key` with `params` filled in; English where the language lacks it.

    Args:
        key: Sections and name, such as `login.title`.
        language: Two small letters.
        params: Values of the text's `{names}`; they are inserted as they are and never read as text again.

    Raises:
        KeyError: If no language has the key, or a name of the text is not given.
    """
    known = catalogue(language)
    return (known[key] if key in known else catalogue(FALLBACK_LANGUAGE)[key]).format_map(params)


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one language by key; empty for a language there is no catalogue of."""
    file = resources.files(__name__).joinpath(f"{language}.toml")
    if not language.isalpha() or not file.is_file():
        return {}
    return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, content in section.items():
        if isinstance(content, dict):
            yield from _flat(cast("dict[str, Any]", content), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", content
