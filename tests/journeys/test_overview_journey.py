"""What a person does with the Overview, in a real Chromium against the real process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app.published import publish_all
from tests.app.running import PASSWORD, Installation, land_power, running_pages
from tests.conftest import CHROMIUM

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--headless",
]  # fmt: skip
PATIENCE_MS = 30_000
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running_pages(tmp_path_factory.mktemp("journey")) as running:
        publish_all(running.lake, running.accounts, running.site, datetime.now(UTC), days=8)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh profile that remembers what went wrong in `page.problems`."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def watch(page: Page, pages: Installation) -> list[str]:
    """Fills with what the page asks of other hosts and with what the browser refuses to run."""
    problems: list[str] = []
    own = (pages.url, pages.url.replace("http", "ws", 1), "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(own) else problems.append(f"outside: {request.url}"))
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    return problems


def log_in(page: Page, pages: Installation, password: str = PASSWORD) -> None:
    page.goto(pages.url)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_visitor_is_sent_to_the_form_and_told_when_the_password_is_wrong(page: Page, pages: Installation) -> None:
    page.goto(f"{pages.url}/?site=home")
    assert page.url == f"{pages.url}/login"
    log_in(page, pages, "not the password")
    expect(page.get_by_role("alert")).to_have_text("User name or password is not right.")
    assert page.url == f"{pages.url}/login"


def test_person_sees_live_power_change_stays_logged_in_and_logs_out(page: Page, pages: Installation) -> None:
    problems = watch(page, pages)
    land_power(pages.lake, datetime.now(UTC), grid_import=1.25)
    log_in(page, pages)
    figure = page.locator(".au-now .au-tone-grid .au-figure")
    expect(figure).to_have_text("1.25kW", timeout=PATIENCE_MS)
    land_power(pages.lake, datetime.now(UTC), grid_import=2.5)
    expect(figure).to_have_text("2.50kW", timeout=10_000)

    page.reload()
    expect(figure).to_have_text("2.50kW", timeout=PATIENCE_MS)

    cookies = page.context.cookies()
    session = next(cookie for cookie in cookies if cookie["name"].startswith("aurora_session"))
    assert session["httpOnly"]
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{pages.url}/login")
    page.context.add_cookies(cookies)
    page.goto(pages.url)
    assert page.url == f"{pages.url}/login"
    assert problems == []


def test_person_sees_every_part_of_the_overview(page: Page, pages: Installation) -> None:
    problems = watch(page, pages)
    log_in(page, pages)
    for title in ("Power now", "Today", "Last 7 days", "Next 24 hours", "What you can do", "Worth a look"):
        expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.get_by_text("Find what runs all night")).to_be_visible()
    expect(page.get_by_text("Would have saved €364.80 and 1,140 kWh in the last 365 days")).to_be_visible()
    assert problems == []


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_overview_fits_the_screen(page: Page, pages: Installation, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    log_in(page, pages)
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=PATIENCE_MS)
    page.wait_for_timeout(500)
    parts = "[...document.querySelectorAll('.au-tile, .au-item, .au-bar, .au-out, .js-plotly-plot, [class*=st-key-card_]')]"
    assert page.evaluate(f"Math.max(...{parts}.map(part => part.getBoundingClientRect().right))") <= width
    assert page.evaluate(f"Math.min(...{parts}.map(part => part.getBoundingClientRect().left))") >= 0
    assert page.evaluate(f"{parts}.filter(part => part.scrollWidth > part.clientWidth + 1).length") == 0


def test_open_page_goes_to_the_form_when_the_login_ends_elsewhere(page: Page, pages: Installation) -> None:
    log_in(page, pages)
    expect(page.get_by_role("heading", name="Power now")).to_be_visible(timeout=PATIENCE_MS)
    second = page.context.new_page()
    second.goto(f"{pages.url}/logout")
    second.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{pages.url}/login", timeout=15_000)


def test_page_shows_a_new_refresh_by_itself(page: Page, pages: Installation) -> None:
    log_in(page, pages)
    expect(page.get_by_role("heading", name="Last 7 days")).to_be_visible(timeout=PATIENCE_MS)
    before = page.locator(".au-today").inner_text()
    publish_all(pages.lake, pages.accounts, pages.site, datetime.now(UTC) + timedelta(hours=3), days=1)
    expect(page.locator(".au-today")).not_to_have_text(before, timeout=15_000)


def test_foreign_names_are_shown_as_text(page: Page, pages: Installation) -> None:
    log_in(page, pages)
    expect(page.get_by_text("Haus <b>Nord</b>", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    assert page.locator("b", has_text="Nord").count() == 0
