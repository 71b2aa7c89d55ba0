"""Numbers as people write them: with a decimal point or comma, with marks between thousands. None is changed by a guess."""

from collections.abc import Mapping as Mapped

import polars as pl

from aurora.errors import Refused

SPACES = " \u00a0\u2009\u202f'’"
EXPONENT = r"(?:[eE][+-]?\d+)?"
GROUPED = r"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+"
FORMS = {
    decimal: rf"^[+-]?(?:(?:\d+|{GROUPED.format(mark=f'[{SPACES}]')}|{GROUPED.format(mark=grouping)})(?:{point}\d*)?|{point}\d+){EXPONENT}$"
    for decimal, point, grouping in (("point", r"\.", ","), ("comma", ",", r"\."))
}
MARKED = r"[.,]"
SAMPLE_ROWS = 1_000


def read_numbers(texts: Mapped[str, pl.Series], decimal: str | None, delimiter: str | None) -> dict[str, pl.Series]:
    """The numbers in columns of one file; null where a text is none.

    Args:
        texts: Columns of text without nulls, or of numbers, by name.
        decimal: `point` or `comma`; None where nobody said it: then the cells have to tell.
        delimiter: What stands between the cells of a row; None where that is not known.

    Raises:
        Refused: If the cells leave open which mark is the decimal one, or contradict each other.
    """
    plain = {name: text.cast(pl.Float64, strict=False) for name, text in texts.items()}
    written = {name: text for name, text in texts.items() if text.dtype == pl.String and len(text)}
    if not written or (decimal is None and not _is_open(written, plain, delimiter)):
        return plain
    found = decimal or _told(written, delimiter)
    read = {name: _numbers(text, found) for name, text in written.items() if found == "comma" or plain[name].has_nulls()}
    return plain | read


def _is_open(written: Mapped[str, pl.Series], plain: Mapped[str, pl.Series], delimiter: str | None) -> bool:
    """Whether the marks have to be looked at: not where all are plain numbers and the point cannot be anything but the decimal mark."""
    if any(plain[name].has_nulls() for name in written):
        return True
    if delimiter == "," or any(_tells_point(text.head(SAMPLE_ROWS)) for text in written.values()):
        return False
    return any(text.str.contains(".", literal=True).any() for text in written.values())


def _tells_point(text: pl.Series) -> bool:
    return bool((text.str.contains(".", literal=True) & ~text.str.contains(FORMS["comma"])).any())


def _told(written: Mapped[str, pl.Series], delimiter: str | None) -> str:
    """The decimal mark that the cells of the file tell: the one by which alone some of them are numbers."""
    cells = pl.concat([pl.DataFrame({"column": name, "text": text}) for name, text in written.items()])
    marked = cells.filter(pl.col("text").str.contains(MARKED))
    as_point, as_comma = (pl.col("text").str.contains(FORMS[decimal]) for decimal in ("point", "comma"))
    by_point, by_comma = marked.filter(as_point & ~as_comma), marked.filter(as_comma & ~as_point)
    if by_point.height and by_comma.height:
        one, other = by_point.row(0), by_comma.row(0)
        raise Refused(
            f"{one[1]} in {one[0]} has a decimal point and {other[1]} in {other[0]} a decimal comma."
            " Say --decimal point or --decimal comma; what is written otherwise is then refused."
        )
    either = marked.filter(as_point & as_comma)
    if by_point.height or by_comma.height or either.is_empty():
        return "comma" if by_comma.height else "point"
    if delimiter == "," and not either.get_column("text").str.contains(",", literal=True).any():
        return "point"
    column, text = either.row(0)
    raise Refused(f"Numbers such as {text} in {column} can be read two ways. Say --decimal point or --decimal comma.")


def _numbers(text: pl.Series, decimal: str) -> pl.Series:
    point, grouping = (".", ",") if decimal == "point" else (",", ".")
    bare = text.str.replace_all(rf"[{SPACES}\{grouping}]", "").str.replace(point, ".", literal=True)
    number = bare.cast(pl.Float64, strict=False)
    is_number = text.str.contains(FORMS[decimal]) | ~text.str.contains(r"\d")
    return pl.select(pl.when(is_number).then(number)).to_series()
