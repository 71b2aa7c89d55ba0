"""Rows of a scan that are among some texts."""

from pathlib import Path

import polars as pl
import pytest

from aurora.lake.among import among


@pytest.mark.parametrize(("texts", "found"), [([], []), (["b", "x"], ["b"]), (("a", "b", "a"), ["a", "b"])])
def test_rows_are_found_that_hold_one_of_the_texts(tmp_path: Path, texts: list[str], found: list[str]) -> None:
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"name": ["a", "b", None, "c"]}).write_parquet(file)
    assert pl.scan_parquet(file).filter(among("name", texts)).collect()["name"].to_list() == found
