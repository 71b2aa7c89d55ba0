"""Appends stay as fast after many commits as they were at first, with maintenance as it is scheduled."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from aurora.accounts.database import Accounts
from aurora.lake import cleaning
from aurora.lake.store import Lake
from aurora.settings import Settings
from benchmarks.commits import append_seconds, publish, ratio_of_ends
from transform import compaction
from transform.maintain import maintain


def test_the_last_appends_take_at_most_twice_as_long_as_the_first(
    lake: Lake, accounts: Accounts, settings: Settings, count: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "SETTLED_AFTER", timedelta(0))  # what are hours elsewhere are seconds here
    commits, deleted = count(300, 2_000), list[int]()

    def upkeep(number: int) -> None:
        if number % (commits // 5) == 0:
            compaction.compact_bronze(lake, commits // 10)
            publish(lake, accounts)
        if number % (commits // 2) == 0:
            deleted.append(maintain(lake, accounts, settings, is_light=True).entries_deleted)

    # Processor time: what others do on the machine meanwhile does not count.
    ratio = ratio_of_ends(append_seconds(lake, commits, upkeep)[1])
    print(f"{commits} commits, {len(deleted)} rounds of maintenance, {sum(deleted)} entries of the log deleted, ratio {ratio:.2f}")
    assert sum(deleted) > commits * 0.7
    assert lake.scan("bronze/readings").collect().height == commits * 50
    assert ratio <= 2
