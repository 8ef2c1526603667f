"""Every deck in a browser, as large as a projector shows it."""

import re
from importlib import resources

import pytest

from browser.driving import CHROMIUM
from tools import slides
from tools.editions import numbers_of_all

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
# Of the slide that is shown: what leaves its place, and type that is too small.
FAULTS = """() => {
  const slide = Reveal.getCurrentSlide(), found = [];
  const foot = slide.querySelector('footer').getBoundingClientRect().top + 1;
  for (const part of slide.querySelectorAll('h2, .body, .body *, footer *')) {
    if (part.closest('svg, mjx-assistive-mml')) continue;
    const box = part.getBoundingClientRect(), name = part.outerHTML.slice(0, 60);
    const below = box.bottom > foot && !part.closest('footer');
    if (box.width && (box.right > 1281 || box.left < -1 || below))
      found.push('leaves the slide: ' + name);
    if (parseFloat(getComputedStyle(part).fontSize) < 20) found.push('small: ' + name);
    if (part.tagName === 'IMG' && box.height < 280) found.push('little room: ' + name);
  }
  return found.map(fault => `cell ${slide.dataset.cell}: ${fault}`);
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a deck; ``page.faults`` has what it complains of or asks for."""

    def open_deck(number):
        path = tmp_path / f"{number}.html"
        path.write_text(slides.page(number), "utf-8")
        window = {"width": 1280, "height": 720}
        page = browser.new_page(viewport=window, offline=True)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda told: page.faults.append(told.text))
        page.on(
            "request",
            lambda r: r.url.startswith(("http", "ws")) and page.faults.append(r.url),
        )
        page.goto(path.as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        return page

    return open_deck


@pytest.mark.parametrize("number", numbers_of_all())
def test_no_slide_overflows_and_no_type_is_small(opened, number):
    page, faults = opened(number), []
    for n in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({n}, 0, 99)")
        faults += page.evaluate(FAULTS)
    assert faults + page.faults == []
    assert page.evaluate("document.querySelectorAll('mjx-merror').length") == 0
    page.close()


def test_keys_go_on_reveal_the_answer_and_show_the_notes(opened):
    page = opened("06")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getCurrentSlide().dataset.cell") != "c000"
    asked = page.evaluate("Reveal.getSlides().findIndex(s => s.matches('.ask'))")
    page.evaluate(f"Reveal.slide({asked})")
    answer = page.locator("section.present .answer")
    assert not answer.is_visible()
    page.keyboard.press("ArrowRight")
    assert answer.is_visible()
    notes = page.locator(".speaker-notes")
    assert not notes.is_visible()
    page.keyboard.press("n")
    assert notes.is_visible() and "probability" in notes.inner_text()
    with page.expect_popup() as window:
        page.keyboard.press("s")
    window.value.wait_for_selector(".speaker-controls-notes:not(.hidden)")
    assert "probability" in window.value.locator(".speaker-controls-notes").inner_text()
    page.close()


def test_it_prints_a_slide_a_page(opened):
    page = opened("06")
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    count = page.evaluate("Reveal.getTotalSlides()")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == count
    page.close()


def test_axe_finds_nothing_that_shuts_readers_out(opened):
    package = pytest.importorskip("axe_playwright_python")
    axe = resources.files(package).joinpath("axe.min.js").read_text("utf-8")
    page, grave = opened("06"), []
    page.evaluate(axe + "; 0")
    for n in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate(f"Reveal.slide({n}, 0, 99)")
        for found in page.evaluate("axe.run('section.present')")["violations"]:
            if found["impact"] in ("serious", "critical"):
                grave.append((n, found["id"], found["nodes"][0]["html"][:80]))
    assert grave == []
    page.close()
