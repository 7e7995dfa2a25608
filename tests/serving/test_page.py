"""The page in a real browser: Debian's Chromium."""

import os
import shutil
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.slow
api = pytest.importorskip("playwright.sync_api")
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine; apt-get install chromium")
    with api.sync_playwright() as playwright:
        # As root, which CI often is, Chromium starts without its sandbox alone.
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser) -> Iterator[object]:
    """Open the page of a service; it may not report a fault, and may ask no other site."""
    opened = []

    def open_page(address: str, **options: object) -> object:
        page = browser.new_page(**options)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(address) else faults.append(request.url))
        page.goto(f"{address}/")
        opened.append(page)
        return page

    faults: list[str] = []
    yield open_page
    for page in opened:
        page.close()
    # A browser reports every answer that is an error; the icon is an empty data address.
    assert [fault for fault in faults if "Failed to load resource" not in fault and fault != "data:,"] == []


def find_response(page, letter: str):
    return page.get_by_role("textbox", name=f"Response {letter}")


def fill(page, prompt: str, *responses: str) -> None:
    page.get_by_label("Prompt").fill(prompt)
    for letter, response in zip("ABCDEF", responses, strict=False):
        if not find_response(page, letter).count():
            page.get_by_role("button", name="Add a response").click()
        find_response(page, letter).fill(response)


def read_bars(page) -> dict[str, str]:
    rows = page.locator(".bars tr").all()
    return {row.locator("th").inner_text(): row.locator(".number").inner_text().split()[0] for row in rows}


def test_two_responses_are_compared(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    fill(page, "Why?", "Because of this.", "No.")
    page.get_by_role("button", name="Compare").click()
    api.expect(page.get_by_role("heading", level=2)).to_have_text("A person most likely prefers A")
    assert read_bars(page) == {"A": "72.7", "B": "13.6", "Tie": "13.6"}
    api.expect(page.locator(".reasons")).to_contain_text("A is longer +0.50")
    api.expect(page.locator("footer")).to_contain_text("run 2026-01-01T00.00.00.000Z, log loss 0.9900")


def test_a_swap_changes_nothing_but_the_names(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    fill(page, "Why?", "Because of this.", "No.")
    page.get_by_role("button", name="Swap A and B").click()
    api.expect(page.locator(".swapped")).to_contain_text("Nothing has changed but the names")
    assert find_response(page, "A").input_value() == "No."
    assert read_bars(page) == {"A": "13.6", "B": "72.7", "Tie": "13.6"}


def test_several_responses_are_ranked(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    fill(page, "Why?", "No.", "Because of this.", "So it is.")
    page.get_by_role("button", name="Rank").click()
    api.expect(page.get_by_role("heading", level=2)).to_have_text("Response B is ranked first")
    assert list(read_bars(page)) == ["B", "C", "A"]
    page.get_by_role("button", name="Remove response A").click()
    api.expect(find_response(page, "A")).to_have_value("Because of this.")
    api.expect(page.get_by_role("button", name="Compare")).to_be_visible()


def test_examples_can_be_compared(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    options = page.get_by_label("Example").locator("option").all()[1:]
    assert len(options) == 4
    for option in options:
        page.get_by_label("Example").select_option(option.get_attribute("value"))
        page.locator("#submit").click()
        api.expect(page.locator("#result")).to_be_visible()
        api.expect(page.locator("#error")).to_be_empty()


def test_script_stays_text(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    fill(page, SCRIPT, SCRIPT, f"{SCRIPT} {SCRIPT}")
    page.get_by_role("button", name="Swap A and B").click()
    api.expect(page.locator(".swapped")).to_be_visible()
    assert page.title() == "Arena Preference"
    assert page.locator("img").count() == 0


def test_it_is_used_with_the_keyboard_alone(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    page.get_by_label("Example").focus()
    for text in ("Why?", "Because of this.", "No."):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Control+Enter")
    api.expect(page.get_by_role("status")).to_contain_text("prefers A")


def test_an_error_is_shown_at_its_field(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge, max_characters=20))
    page.get_by_role("button", name="Compare").click()
    api.expect(page.get_by_role("alert")).to_have_text("Write a prompt.")
    api.expect(page.get_by_label("Prompt")).to_be_focused()
    fill(page, "Why?", "x", "y" * 21)
    page.get_by_role("button", name="Compare").click()
    api.expect(page.get_by_role("alert")).to_contain_text("at most 20")
    api.expect(find_response(page, "B")).to_have_attribute("aria-invalid", "true")
    api.expect(find_response(page, "B")).to_be_focused()


def test_a_token_is_asked_for_where_there_is_one(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge, token="open sesame"))  # noqa: S106
    fill(page, "Why?", "x", "y")
    page.get_by_role("button", name="Compare").click()
    api.expect(page.get_by_role("alert")).to_contain_text("token")
    api.expect(page.get_by_label("Token")).to_be_focused()
    page.get_by_label("Token").fill("open sesame")
    page.get_by_role("button", name="Compare").click()
    api.expect(page.locator("#result")).to_be_visible()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


@pytest.mark.parametrize("width", [320, 412, 1200])
def test_it_fits_the_screen(open_page, start_server, judge, width: int) -> None:
    page = open_page(start_server(judge), viewport={"width": width, "height": 800})
    for index in ("0", "3"):
        page.get_by_label("Example").select_option(index)
        page.locator("#submit").click()
        api.expect(page.locator("#result")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_interface_is_documented_on_a_page(open_page, start_server, judge) -> None:
    page = open_page(start_server(judge))
    page.get_by_role("link", name="HTTP interface").click()
    api.expect(page.get_by_role("heading", name="POST /v1/compare")).to_be_visible()
    api.expect(page.locator("#endpoints")).to_contain_text("win_probabilities")
