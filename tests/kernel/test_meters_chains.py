"""Whatever a register says: its energy is that between readings that are kept, once each, and nothing else."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from aurora.domain.meters.chains import MODULI_KWH, Reading, limit_kwh
from aurora.domain.meters.doubtful import Register, read_one

SEED = 4_711
QUARTER_US = 900_000_000
MOST_KW = 17.25
METER = Register("meter", "grid_import", ())


def _register(chance: random.Random, count: int, begin_us: int = 0, total: float = 9980.0) -> list[Reading]:
    """A register that rises by what is possible or stands still, jumps elsewhere for good at times, and shows something else at times."""
    readings: list[Reading] = []
    how_bad = chance.choice([0.02, 0.1, 0.4])
    for place in range(count):
        total += chance.choice([0.0, 0.0, 0.25, 0.5, 1.5])
        if chance.random() < how_bad / 3:
            total = chance.choice([0.25, 0.5, total + 9.0, total + 5000.0, max(total - 300.0, 0.0), 9999.5])
        if place > 1 and readings[-1].value_kwh == readings[-2].value_kwh and chance.random() < 0.1:
            total += 6.0
        shown = chance.choice([0.0, total + 30.0, total * 1000, total / 2, 9e7]) if chance.random() < how_bad else total
        readings.append(Reading(begin_us + place * QUARTER_US, round(shown, 2), MOST_KW))
    return readings


def test_each_life_of_a_register_comes_to_its_last_reading_minus_its_first(count: Callable[[int, int], int]) -> None:
    chance, kinds = random.Random(SEED), Counter[str]()
    for _ in range(count(400, 20_000)):
        readings = _register(chance, chance.randint(2, 60))
        spans, decisions = read_one(readings, METER)
        kinds.update(decision.kind for decision in decisions)
        shown = {reading.at_us: reading for reading in readings}
        broken = {one.at_us: one for one in decisions if one.kind in ("reset", "rollover", "replacement")}
        lost = sum(one.energy_kwh or 0.0 for one in decisions if "decimals" in one.evidence)
        for start, end, energy, _ in spans:
            rise = shown[end].value_kwh - shown[start].value_kwh
            most = {
                "reset": shown[end].value_kwh,
                "rollover": min((one for one in MODULI_KWH if one > shown[start].value_kwh), default=0.0) + rise,
            }
            right = most[broken[end].kind] if end in broken else rise
            assert abs(energy - right) <= lost + 1e-6, (readings, decisions)
            assert 0 <= energy <= limit_kwh(shown[start], shown[end], MOST_KW) + 1e-6
        unknown = {end for end, one in broken.items() if one.energy_kwh is None}
        assert all(before[1] == after[0] or after[0] in unknown for before, after in pairwise(spans)), (readings, decisions)
    print(f"seed {SEED}, hit {dict(kinds)}")
    assert min(kinds[kind] for kind in ("reset", "rollover", "replacement", "dip", "glitch", "stuck")) >= 20


def test_what_lies_beyond_calm_readings_changes_nothing(count: Callable[[int, int], int]) -> None:
    chance, differing = random.Random(SEED), 0
    for _ in range(count(400, 20_000)):
        before = _register(chance, 30)
        calm = [Reading(30 * QUARTER_US + place * QUARTER_US, before[-1].value_kwh + (place + 1) / 2, MOST_KW) for place in range(9)]
        after = _register(chance, 30, begin_us=39 * QUARTER_US, total=chance.choice([calm[-1].value_kwh, 50.0, 2e5]))
        middle = calm[4].at_us
        alone = [span for span in read_one(before + calm, METER)[0] if span[1] <= middle]
        whole = read_one(before + calm + after, METER)
        assert alone == [span for span in whole[0] if span[1] <= middle]
        followed = [span for span in read_one(calm + after, METER)[0] if span[0] >= middle]
        assert followed == [span for span in whole[0] if span[0] >= middle]
        differing += len(whole[1])
    print(f"seed {SEED}, {differing} decisions seen")
    assert differing > 1_000
