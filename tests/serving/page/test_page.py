"""The page in a browser, as a person uses it."""

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.servers import Server, serving

pytestmark = pytest.mark.slow  # a browser, and servers as processes


def read(page: Page, text: str) -> None:
    """Type a text and wait for the prediction."""
    page.locator("#text").fill(text)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("read:")


def test_page_shows_the_model(page: Page) -> None:
    expect(page).to_have_title("toy · Assay")
    expect(page.get_by_role("heading", name="toy")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("fp32")
    digest = page.request.get(f"{page.url}model").json()["digest"]
    expect(page.locator("#facts code")).to_have_text(digest[:12])
    # The bundle has no model card, so there is no link to one.
    expect(page.get_by_role("link")).to_have_count(0)


def test_page_marks_entities_after_emoji_and_letters_of_two_code_points(page: Page) -> None:
    # given characters of two UTF-16 code units, and one of two code points
    text = f"good 😀🇩🇪 {unicodedata.normalize('NFD', 'für')} Apple, says Müller"
    # when the page reads them
    read(page, text)
    # then the marks hold the entities, and the text is unchanged
    expect(page.locator("mark")).to_have_text(["AppleORG", "MüllerPER"])
    shown = page.locator(".read").evaluate(
        "read => { const copy = read.cloneNode(true); copy.querySelectorAll('b').forEach(b => b.remove());"
        " return copy.textContent; }"
    )
    assert shown == text
    page.get_by_text("2 entities").click()
    expect(page.locator("tbody tr").first).to_contain_text(f"{text.index('Apple')}–{text.index('Apple') + 5}")


@pytest.mark.parametrize(
    ("label", "entity", "left"),
    [(None, None, "the class"), (False, True, "1 entity"), (True, True, "the class and 1 entity")],
)
def test_page_says_what_is_left_to_a_person(page: Page, label: bool | None, entity: bool | None, left: str) -> None:
    # given a model with a decision
    def abstain(route: Route) -> None:
        response = route.fetch()
        values = response.json()
        (row,) = values["predictions"]
        row |= {"abstained": True} | ({} if label is None else {"label_abstained": label})
        row["entities"][0] |= {} if entity is None else {"abstained": entity}
        route.fulfill(response=response, json=values)

    page.route("**/predict*", abstain)
    read(page, "good Apple")
    expect(page.locator(".note.abstained")).to_have_text(
        f"Left to a person: {left}. The model is not sure enough; what you see is its best guess."
    )
    expect(page.locator("mark.abstained")).to_have_count(1 if entity else 0)


def test_page_names_the_labels_that_are_left_to_a_person(page: Page) -> None:
    # given a model of three heads with decisions
    def abstain(route: Route) -> None:
        response = route.fetch()
        values = response.json()
        (row,) = values["predictions"]
        row["entities"][0]["abstained"] = True
        labels = [
            {"label": "price", "score": 0.9, "abstained": False},
            {"label": "speed", "score": 0.6, "abstained": True},
        ]
        probabilities = {"price": 0.9, "service": 0.1, "speed": 0.6}
        row |= {"abstained": True, "label_abstained": True, "labels": labels, "label_probabilities": probabilities}
        route.fulfill(response=response, json=values)

    page.route("**/predict*", abstain)
    read(page, "good Apple")
    expect(page.get_by_text("Labels that apply: price, speed.")).to_be_visible()
    expect(page.locator("dt.best")).to_have_text(["up", "price", "speed"])
    expect(page.locator(".note.abstained")).to_contain_text(
        "Left to a person: the class, 1 label (speed) and 1 entity. The model"
    )


def test_page_sorts_classes_by_probability(page: Page) -> None:
    read(page, "bad")
    expect(page.locator("dt")).to_have_text(["down", "up"])
    expect(page.locator("dt.best")).to_have_text("down")
    # The toy's votes: softmax(0.1, 2) and an unknown word's.
    widths = page.locator(".bar").evaluate_all(
        "bars => bars.map(bar => parseFloat(getComputedStyle(bar, '::before').width) / bar.clientWidth)"
    )
    shares = [float(share.removesuffix(" %")) / 100 for share in page.locator("dd:not(.bar)").all_text_contents()]
    assert widths == pytest.approx(shares, abs=0.01)
    assert sum(shares) == pytest.approx(1, abs=0.002)


def test_page_reads_each_line_as_a_text_unless_unchecked(page: Page) -> None:
    read(page, "good Apple\n\nbad")
    expect(page.locator("#rows > li")).to_have_count(2)
    expect(page.locator("#status")).to_contain_text("2 texts read")
    page.get_by_label("Each line").uncheck()
    read(page, "good Apple\n\nbad")
    expect(page.locator("#rows > li")).to_have_count(1)


def test_page_works_with_the_keyboard_alone(page: Page) -> None:
    # From the text: the lines, the button, the first example.
    expect(page.locator("#text")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#text")).to_have_value("good apple")
    expect(page.locator("dt.best")).to_have_text("up")


def test_page_shows_markup_as_text(page: Page) -> None:
    read(page, "<img src=x onerror=document.title='broken'> good Apple</b>")
    expect(page.locator(".read")).to_have_text("<img src=x onerror=document.title='broken'> good AppleORG</b>")
    expect(page).to_have_title("toy · Assay")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_page_shows_the_response_as_json_and_the_curl_command(page: Page) -> None:
    read(page, "good Apple's 'quotes' $HOME \\ \"two\"")
    page.get_by_text("Response as JSON").click()
    shown = json.loads(page.locator("#json").inner_text())
    page.get_by_text("Request with curl").click()
    done = subprocess.run(["bash", "-c", page.locator("#curl").inner_text()], capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"] == shown["predictions"]


def test_page_copies_the_json(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    read(page, "good")
    page.get_by_text("Response as JSON").click()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["predictions"][0]["label"] == "up"


def test_page_retries_a_busy_server_after_retry_after(page: Page) -> None:
    # given a server that is busy once
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "busy"})

    page.route("**/predict", refuse_once)
    # when a text is sent
    page.locator("#text").fill("good")
    page.keyboard.press("Control+Enter")
    # then the page reports it, waits and retries
    expect(page.locator("#status")).to_contain_text("busy; trying again in 1 second")
    expect(page.locator("dt.best")).to_have_text("up")
    assert len(refused) == 1


def test_page_stops_waiting_for_a_busy_server(page: Page) -> None:
    page.route("**/predict", lambda route: route.fulfill(status=429, headers={"Retry-After": "60"}, json={}))
    page.locator("#text").fill("good")
    page.get_by_role("button", name="Read").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Read")).to_be_visible()
    expect(page.locator("#status")).to_have_text("")
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize(
    ("text", "message"),
    [("good\n" * 1001, "more text than the server takes"), (" \n ", "there are no rows; send at least one text")],
)
def test_page_shows_why_the_server_refuses_a_request(page: Page, text: str, message: str) -> None:
    page.locator("#text").fill(text)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text(message)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_page_reports_an_unreachable_server_and_retries(browser: Browser, bundle: Path, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "log") as server, browser.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page).to_have_title("toy · Assay")
        server.kill()
        page.locator("#text").fill("good")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
        server.start()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("dt.best")).to_have_text("up")
        expect(page.get_by_role("alert")).to_be_empty()


def test_page_sends_the_typed_token(browser: Browser, bundle: Path, tmp_path: Path) -> None:
    secret = "a-token-of-24-characters"
    options = ("--token", "env:TOY_TOKEN")
    with serving(bundle, tmp_path / "log", *options, TOY_TOKEN=secret) as server, browser.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page.get_by_role("alert")).to_contain_text("requires a token")
        page.get_by_label("Token").fill(secret)
        page.get_by_role("button", name="Try again").click()
        expect(page).to_have_title("toy · Assay")
        read(page, "good")
        assert secret not in page.locator("#curl").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1100])
def test_page_is_accessible(browser: Browser, server: Server, scheme: str, width: int) -> None:
    """Check WCAG 2.2 AA as far as axe can, and that nothing scrolls sideways."""
    with browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    ) as context:
        page = context.new_page()
        page.goto(server.url)
        page.locator("#facts li").first.wait_for()
        read(page, "good Apple says Müller in München\nbad " + "Donaudampfschifffahrt" * 20)
        for summary in page.locator("summary").all():
            summary.click()
        page.evaluate("document.getElementById('problem').textContent = 'a problem'")
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.response["violations"] == [], found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_keeps_a_label_with_its_words_in_text_from_right_to_left(page: Page) -> None:
    # Given two entities in Hebrew text, one of Hebrew words and one of Latin words,
    read(page, "שלום Apple ועוד Müller טוב")
    # then each label is beside its words, on their left.
    marks = page.locator("mark")
    expect(marks).to_have_count(2)
    places = marks.evaluate_all(
        """marks => marks.map(mark => {
          const words = document.createRange(); words.selectNode(mark.firstChild);
          const [word, label, whole] = [words, mark.lastChild, mark].map(part => part.getBoundingClientRect());
          return {label: label.right, word: word.left, inside: label.left >= whole.left && word.right <= whole.right};
        })"""
    )
    assert all(place["inside"] and place["label"] <= place["word"] for place in places), places


def test_page_says_whether_a_token_is_missing_or_wrong(browser: Browser, bundle: Path, tmp_path: Path) -> None:
    options = ("--token", "env:PAGE_TOKEN")
    with serving(bundle, tmp_path / "log", *options, PAGE_TOKEN="a secret of the tests") as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.locator("#problem")).to_contain_text("This server requires a token")
        page.get_by_label("Token").fill("another secret of nobody")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#problem")).to_contain_text("does not accept this token")
        page.get_by_label("Token").fill("a secret of the tests")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#facts li").first).to_be_visible()
        page.close()


def test_documentation_of_the_api_has_an_icon_and_a_landmark(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    errors: list[str] = []
    page.on("console", lambda line: errors.append(line.text))
    page.goto(f"{server.url}/docs")
    expect(page.get_by_role("main").get_by_role("heading", level=1)).to_have_text("Assay over HTTP")
    assert page.locator("link[rel=icon]").get_attribute("href").startswith("data:image/svg")  # type: ignore[union-attr]
    assert errors == []
    page.close()
