"""What a person does with the decisions how their meter was read: overrule one, and see totals follow and what changed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from aurora.accounts import memberships, people
from aurora.lake import manifest
from tests.app.running import PASSWORD, Installation, land, running_pages
from tests.journeys.test_overview_journey import PATIENCE_MS, browser, page, watch  # noqa: F401
from tests.prepared import shared_workbench
from transform import workbench
from transform.refresh import Refresher

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = datetime(2026, 11, 10, tzinfo=UTC)
HOURS = 96
PARTS = ".au-item, .au-nav, .au-out, button, input, [class*=st-key-card_]"
SHOWN = f"[...document.querySelectorAll('{PARTS}')].filter(part => part.offsetWidth)"
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_pages(tmp_path_factory.mktemp("meters")) as running:
        people.add_user(running.accounts, "bob", PASSWORD, "user")
        memberships.add_member(running.accounts, "home", username="bob", role="viewer")
        yield running


def land_fall(pages: Installation) -> None:
    """Readings of a register that fell back once."""
    values = [1000 + hour / 2 for hour in range(HOURS)]
    values[36] = 7.0
    at = [DAY + timedelta(hours=hour) for hour in range(HOURS)]
    land(pages.lake, NOW, [("meter-1", "grid_import", "register_kwh", *one) for one in zip(at, [None] * HOURS, values, strict=True)])


def refresh(pages: Installation) -> float:
    """Refresh; returns what the day of the fall came to. [kWh]"""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workbench, "of_home", lambda _home: shared_workbench())
        Refresher(pages.lake, pages.accounts, pages.home, pages.settings).run(now=NOW)
    daily = manifest.newest(pages.lake).scan("gold/energy_daily").collect()
    return dict(daily.select("local_date", "grid_import_kwh").iter_rows())[(DAY + timedelta(hours=36)).date()]


def open_page(page: Page, pages: Installation, title: str, username: str = "ada") -> None:  # noqa: F811
    page.goto(pages.url)
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation").get_by_role("link", name=title).click(timeout=PATIENCE_MS)


def test_person_overrules_a_decision_and_sees_what_changed(page: Page, pages: Installation) -> None:  # noqa: F811
    problems = watch(page, pages)
    open_page(page, pages, "Meters")
    expect(page.get_by_text("No decision was needed so far.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="What changed").click()
    expect(page.get_by_text("No closed day has changed so far.")).to_be_visible(timeout=PATIENCE_MS)

    land_fall(pages)
    before_kwh = refresh(pages)
    page.get_by_role("link", name="Meters").click()
    event = page.locator(".au-event", has=page.get_by_role("heading", name="The register fell back by mistake"))
    expect(event.get_by_role("heading")).to_have_text("The register fell back by mistake", timeout=PATIENCE_MS)
    expect(event).to_contain_text("Wednesday, 11 November, 13:00")
    page.get_by_placeholder("Why it is wrong").fill("read <i>by hand</i>")
    page.get_by_role("button", name="Overrule").click()
    expect(event).to_contain_text("totals follow with the next refresh", timeout=PATIENCE_MS)
    expect(event).to_contain_text("Reason: read <i>by hand</i>")
    expect(event).to_contain_text("overruled by ada")

    assert refresh(pages) != pytest.approx(before_kwh)
    page.reload()
    expect(page.get_by_role("button", name="Let it stand again")).to_be_visible(timeout=PATIENCE_MS)
    expect(event).not_to_contain_text("totals follow")
    page.get_by_role("link", name="What changed").click()
    change = page.locator(".au-change", has=page.get_by_role("heading", name="Wednesday, 11 November"))
    expect(change).to_contain_text(f"From the grid: {before_kwh:.1f} kWh →", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Meters").click()
    page.get_by_role("button", name="Let it stand again").click()
    expect(event).to_contain_text("stands", timeout=PATIENCE_MS)
    assert refresh(pages) == pytest.approx(before_kwh)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(f"Math.max(...{SHOWN}.map(part => part.getBoundingClientRect().right))") <= width
    assert problems == []


def test_viewer_sees_decisions_but_no_button_that_overrules_one(page: Page, pages: Installation) -> None:  # noqa: F811
    land_fall(pages)
    refresh(pages)
    problems = watch(page, pages)
    open_page(page, pages, "Meters", "bob")
    event = page.locator(".au-event", has=page.get_by_role("heading", name="The register fell back by mistake"))
    expect(event).to_contain_text("stands", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Overrule")).to_have_count(0)
    expect(page.get_by_role("button", name="Let it stand again")).to_have_count(0)
    expect(page.get_by_placeholder("Why it is wrong")).to_have_count(0)
    assert problems == []
