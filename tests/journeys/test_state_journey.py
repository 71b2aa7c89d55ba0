"""What a person sees of the state of their data, and how they say that they know of a finding."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from aurora.accounts import devices, memberships, people
from ingestion import bronze
from ingestion.messages import Fault, rejection_of
from tests.app.published import anomaly_rows, republish
from tests.app.running import PASSWORD, Installation, running_pages
from tests.journeys.test_meters_journey import SHOWN, open_page
from tests.journeys.test_overview_journey import PATIENCE_MS, browser, page, watch  # noqa: F401

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_pages(tmp_path_factory.mktemp("state")) as running:
        people.add_user(running.accounts, "bob", PASSWORD, "user")
        memberships.add_member(running.accounts, "home", username="bob", role="viewer")
        devices.add_device(running.accounts, "home", name="Roof <i>", kind="inverter", device_id="roof")
        yield running


def publish_state(pages: Installation, now: datetime) -> None:
    """Publish a device that went silent, a refusal and two findings, as a refresh does."""
    status = {"device_id": "meter-1", "site_id": "home", "state": "silent", "spacing_seconds": 900.0, "last_reading_at": now}
    spike = anomaly_rows(pages.site, now)
    silent = spike.with_columns(
        anomaly_id=pl.lit("a2"), kind=pl.lit("silent"), severity=pl.lit("critical"), explanation=pl.lit("Nothing from <b>it</b>.")
    )
    rows = {"gold/device_status": pl.DataFrame([status]), "gold/anomalies": pl.concat([spike, silent])}
    republish(pages.lake, pages.accounts, rows, now)
    refused = [bronze.Refused(rejection_of(b"{", (Fault("", "not_<json>", ""),)), "mqtt", "aurora/v1/meter-1/readings")] * 3
    pages.lake.land(bronze.REJECTED, bronze.rejected_table(refused, now - timedelta(hours=1)))


def test_person_sees_the_state_of_data_and_says_what_they_know_of(page: Page, pages: Installation) -> None:  # noqa: F811
    problems = watch(page, pages)
    open_page(page, pages, "State of data")
    expect(page.get_by_text("Nothing unusual is open.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Nothing was refused in the last 30 days.")).to_be_visible()

    publish_state(pages, datetime.now(UTC))
    page.reload()
    silent = page.locator(".au-event", has=page.get_by_role("heading", name="A device is not heard from now."))
    expect(silent).to_contain_text("Nothing from <b>it</b>.", timeout=PATIENCE_MS)
    expect(silent).to_contain_text("Look after its power and its network")
    expect(silent).to_contain_text("critical")
    expect(page.locator(".st-key-card_devices .au-event").first).to_contain_text("expected every 15 min, by its own rhythm")
    expect(page.locator(".st-key-card_devices .au-event").nth(1)).to_contain_text("Roof <i>")
    refused = page.locator(".st-key-card_refused .au-event")
    expect(refused).to_contain_text("not_<json>")
    expect(refused).to_contain_text("3 refused")

    page.get_by_placeholder("What you know of it").first.fill("the <b>fuse</b> is out")
    page.get_by_role("button", name="I know about this").first.click()
    expect(silent).to_contain_text("known by ada", timeout=PATIENCE_MS)
    expect(silent).to_contain_text("Known: the <b>fuse</b> is out")
    publish_state(pages, datetime.now(UTC))
    page.reload()
    expect(silent).to_contain_text("known by ada", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".st-key-card_unusual .au-alert")).to_have_count(1, timeout=PATIENCE_MS)
    page.get_by_role("link", name="State of data").click()
    page.get_by_role("button", name="Tell it again").click()
    expect(page.get_by_role("button", name="I know about this")).to_have_count(2, timeout=PATIENCE_MS)
    expect(silent).not_to_contain_text("known by")
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(f"Math.max(...{SHOWN}.map(part => part.getBoundingClientRect().right))") <= width
    assert problems == []


def test_viewer_sees_the_state_of_data_but_no_button(page: Page, pages: Installation) -> None:  # noqa: F811
    publish_state(pages, datetime.now(UTC))
    problems = watch(page, pages)
    open_page(page, pages, "State of data", "bob")
    expect(page.get_by_role("heading", name="A device is not heard from now.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="I know about this")).to_have_count(0)
    expect(page.get_by_placeholder("What you know of it")).to_have_count(0)
    assert problems == []
