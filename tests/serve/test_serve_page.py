"""The page in a real browser. Skipped where Playwright or a Chromium is missing.

`pip install playwright`, and a chromium or google-chrome of the system; DLFA_CHROMIUM names
another.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from annotating import ruler
from serving import Client, serving
from spacy.language import Language

from dlfa_spacy.serve import ServedPipeline

pytestmark = pytest.mark.slow

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
RESULTS = "#results:not([aria-busy]) .card"
# Of each element with text of its own the contrast with what is behind it (WCAG 2, 1.4.3).
CONTRASTS = """() => {
  const parse = (color) => {
    const [r, g, b, alpha = 1] = color.match(/[\\d.]+/g).map(Number);
    return [[r, g, b].map((c) => color.startsWith("color(") ? c : c / 255), alpha];
  };
  const over = ([top, alpha], below) => top.map((c, i) => c * alpha + below[i] * (1 - alpha));
  const own = (e, name) => parse(getComputedStyle(e)[name]);
  const behind = (e) => e ? over(own(e, "backgroundColor"), behind(e.parentElement)) : [1, 1, 1];
  const light = (rgb) => rgb.map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  return [...document.body.querySelectorAll("*")]
    .filter((e) => e.checkVisibility() && !["SCRIPT", "NOSCRIPT"].includes(e.tagName))
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => !e.closest(".unseen, .skip"))
    .map((e) => {
      const back = behind(e);
      const [a, b] = [light(over(own(e, "color"), back)), light(back)];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)];
    });
}"""

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    found = os.environ.get("DLFA_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no chromium: install one, or name it in DLFA_CHROMIUM")
    with api.sync_playwright() as playwright:
        # In a container there is no user namespace for its sandbox; it visits this server alone.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, client: Client) -> Iterator[Open]:
    problems: list[str] = []
    contexts = []

    def visit(address: str = client.address, **settings: Any) -> Any:
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.on("request", lambda request: request.url.startswith(address) or problems.append("!"))
        page.goto(address)
        page.wait_for_selector(f"{RESULTS}, .endpoint")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


def test_it_shows_what_the_api_says(open_page: Open, client: Client) -> None:
    page = open_page()
    assert page.locator("#text-examples button").count() == 20
    text = "😀 Anna lives in Berlin"
    page.fill("#text", text)
    page.click("#text-form [type=submit]")
    page.wait_for_selector(f'{RESULTS} :text("😀")')
    answer = client.post("/api/text", {"text": text, "layers": True}).json()
    assert page.locator("mark").all_inner_texts() == [
        f"{text[ent['start'] : ent['end']]}\u00a0{ent['label']} {100 * ent['confidence']:.0f} %"
        for ent in answer["entities"]
    ]
    color = page.locator("mark").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert color in ("rgb(170, 156, 252)", "rgb(255, 149, 97)")
    words = page.locator(".word .form").all_inner_texts()
    assert words == [text[token["start"] : token["end"]] for token in answer["tokens"]]
    assert "lives" in words
    best = max(answer["cats"], key=answer["cats"].get)
    assert page.locator(".bars .top").first.inner_text() == best
    found = re.match(r"(\d+) names? in 4 words, read in ", page.inner_text("#status"))
    assert found and int(found[1]) == len(answer["entities"]) > 0


def test_layers_are_shown_by_component_and_by_word(open_page: Open, client: Client) -> None:
    page = open_page()
    page.click("#text-examples [lang=en]")
    text = page.input_value("#text")
    page.wait_for_selector(f'{RESULTS} .word:has-text("Nairobi")')
    answer = client.post("/api/text", {"text": text, "layers": True}).json()
    overview, attention, gate = page.locator("table.heat").all()
    assert overview.locator("tbody th").all_text_contents() == [
        "Names (ner)",
        "Parts of speech (morphologizer)",
        "Sentences (senter)",
        "Topics (textcat)",
    ]
    fixed = overview.locator("tbody tr").last
    assert [("●" in cell) for cell in fixed.locator("td").all_inner_texts()] == [1, 0, 1, 0, 1]
    by_component = {layers["component"]: layers["tokens"] for layers in answer["layers"]}
    for table, tokens in ((attention, by_component["ner"]), (gate, by_component["morphologizer"])):
        shown = [int(cell) for cell in table.locator("tbody td").all_text_contents()]
        kept = [w for row in tokens for w in row] if table is attention else None
        kept = kept or [row[layer] for row in tokens for layer in (2, 4)]
        assert len(shown) == len(kept)
        assert all(abs(a - 100 * b) <= 0.6 for a, b in zip(shown, kept, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("lang", ["de", "ar"])
def test_it_can_be_read(scheme: str, width: int, lang: str, open_page: Open) -> None:
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.click(f"#text-examples [lang={lang}]")
    page.wait_for_selector(f"{RESULTS} .text[lang={lang}]")
    # Nothing but a table of many columns is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 60
    assert [found for found in contrasts if found[0] < 4.5] == []
    direction = page.locator(".text").evaluate("e => getComputedStyle(e).direction")
    assert direction == ("rtl" if lang == "ar" else "ltr")
    for words in ("#text", ".words"):
        assert page.locator(words).evaluate("e => getComputedStyle(e).direction") == direction


def test_everything_is_reached_by_keyboard(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("Control+A")
    page.keyboard.type("Berlin in Anna")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f'{RESULTS} .word:first-child:has-text("Berlin")')
    # An example, by the space bar.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    page.wait_for_selector(f'{RESULTS} .text:has-text("Nairobi")')
    assert page.locator(":focus").get_attribute("aria-pressed") == "true"
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    for field in page.locator("textarea:visible, input:visible").all():
        assert page.locator(f"label[for={field.get_attribute('id')}]").count() == 1


def test_a_text_is_text_whatever_is_in_it(open_page: Open) -> None:
    page = open_page()
    hostile = "Anna <img src=x onerror=\"document.title='owned'\"> <b>Berlin</b>"
    page.fill("#text", hostile)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f'{RESULTS} .text:has-text("onerror")')
    assert page.locator("main img, main b").count() == 0
    assert "owned" not in page.title()


def test_a_long_text_is_shown_bit_by_bit(open_page: Open) -> None:
    page = open_page()
    page.fill("#text", "Anna lives in Berlin. " * 20)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector('button:has-text("The other 60 words")')
    table = page.locator("table.words-first").first
    assert table.locator("tbody tr").count() == 40
    page.locator(".more").first.click()
    assert table.locator("tbody tr").count() == 100
    # The table scrolls, and the page ends with its footer.
    end = page.evaluate("document.querySelector('footer').getBoundingClientRect().bottom + scrollY")
    assert page.evaluate("document.documentElement.scrollHeight") <= end + 1


def test_errors_are_said(open_page: Open) -> None:
    page = open_page()
    page.fill("#text", "  ")
    page.click("#text-form [type=submit]")
    assert page.inner_text("#status") == "Write or paste something first."
    page.fill("#text", "a" * 10_001)
    assert page.inner_text("#text-count") == "10,001 of 10,000 characters"
    page.click("#text-form [type=submit]")
    page.wait_for_selector('#status.bad:has-text("expected at most 10,000")')


def test_two_pipelines_stand_side_by_side(open_page: Open, nlp: Language) -> None:
    served = [ServedPipeline("tiny", nlp), ServedPipeline("rules", ruler())]
    with serving(served) as client:
        page = open_page(client.address, viewport={"width": 1280, "height": 900})
        page.fill("#text", "Anna and Ada in Rome")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(f'{RESULTS} .text:has-text("Rome")')
        assert page.locator(".column > h2").all_inner_texts() == ["tiny", "rules"]
        left, right = (column.bounding_box() for column in page.locator(".column").all())
        assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
        assert "They agree on" in page.inner_text("#status")


def test_the_api_is_described_without_a_script_from_elsewhere(open_page: Open) -> None:
    page = open_page()
    page.click("header a")
    page.wait_for_selector(".endpoint")
    paths = page.locator(".endpoint h2 code").all_inner_texts()
    assert paths[:5] == ["/api/text", "/api/texts", "/api/pair", "/api/info", "/health"]
    assert "Annotation" in paths
