"""`make trials`: the tests whose counts matter, with those counts, one after another. Resumable; writes `docs/trials.md`.

A trial that passed on the same code is not run again; `.trials` holds what each printed.
"""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".trials"
TELLING = re.compile(r"\b(seed|killed|kills|rounds|looks|hit|seen|torn|redelivered|publications)\b")


def _tests() -> list[str]:
    """Ids of the tests that try more often in this tier: those that ask for `count`, or read the tier."""
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py")) if _counts(path)]
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *files], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if "::" in line and _counts_in(line)]


def _counts(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return "IS_TRIALS" in text or re.search(r"\bcount: Callable", text) is not None


def _counts_in(test: str) -> bool:
    path, name = test.split("::", 1)
    text = (ROOT / path).read_text(encoding="utf-8")
    function = re.search(rf"def {re.escape(name.split('[')[0])}\((.*?)\) ->", text, re.DOTALL)
    return "IS_TRIALS" in text or (function is not None and "count:" in function[1])


def _code() -> str:
    return subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _run(test: str, code: str) -> dict[str, Any]:
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-rA", "-p", "no:randomly", test],
        cwd=ROOT,
        env=os.environ | {"AURORA_TIER": "trials"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line.strip(". ") for line in result.stdout.splitlines() if TELLING.search(line) and len(line) < 200 and "test_" not in line]
    return {
        "test": test,
        "passed": result.returncode == 0,
        "seconds": round(time.monotonic() - began),
        "told": told[:3],
        "code": code,
        "output": result.stdout[-20_000:],
    }


def _table(results: list[dict[str, Any]]) -> str:
    lines = [
        "# Trials",
        "",
        f"Run on {datetime.now(UTC):%Y-%m-%d}, two cores. `make trials` makes this table.",
        "",
        "| trial | outcome | seconds | what it printed |",
        "|---|---|---|---|",
    ]
    for one in results:
        name = one["test"].split("::")[1].removeprefix("test_").replace("_", " ")
        lines.append(
            f"| {name} | {'passed' if one['passed'] else '**failed**'} | {one['seconds']} | {'; '.join(one['told']).replace('|', '/')} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what has not passed on this code yet, then write the table; exit 1 where one failed."""
    FOLDER.mkdir(exist_ok=True)
    code, results = _code(), []
    tests = [test for test in _tests() if not sys.argv[1:] or any(word in test for word in sys.argv[1:])]
    for number, test in enumerate(tests, 1):
        kept = FOLDER / (re.sub(r"\W+", "_", test) + ".json")
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        print(f"[{number}/{len(tests)}] {test} ...", flush=True)
        one = known if known.get("passed") and known.get("code") == code else _run(test, code)
        kept.write_text(json.dumps(one), encoding="utf-8")
        print(f"    {'passed' if one['passed'] else 'FAILED'} in {one['seconds']} s; {'; '.join(one['told'])}", flush=True)
        results.append(one)
    (ROOT / "docs" / "trials.md").write_text(_table(results), encoding="utf-8")
    if not all(one["passed"] for one in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
