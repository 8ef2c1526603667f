"""Lesson 04 in JupyterLab, in a real browser: run all, then move every control."""

import statistics

import pytest

from browser.driving import CHROMIUM, EXPLORER, in_lab

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
# When a picture of the first image changes, how long after the last key was that?
WATCH = """(EXPLORER) => {
    window.moves = [];
    const image = document.querySelector(EXPLORER + ' img');
    document.addEventListener('keydown', () => { window.pressed = performance.now() },
        true);
    new MutationObserver(() => window.moves.push(performance.now() - window.pressed))
        .observe(image, {attributes: true, attributeFilter: ['src']});
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The lesson, run; fails on any error of the page."""
    with in_lab("04_seeing_modulators.ipynb", tmp_path_factory.mktemp("lab")) as page:
        page.locator(EXPLORER).scroll_into_view_if_needed()
        page.wait_for_selector(f"{EXPLORER} img")
        page.wait_for_timeout(1000)
        yield page
        assert page.faults == []


def pictures(page) -> list[str]:
    """What the explorer shows: pictures by their address, lines and words as text."""
    shown = ", ".join(f"{EXPLORER} {part}" for part in ("img", "svg[role=img]"))
    return page.evaluate(
        f"[...document.querySelectorAll('{shown}')].map(e => e.src || e.outerHTML)"
    )


def settled(page, before: list[str]) -> list[str]:
    """The pictures after they changed, or the same after five seconds."""
    for _ in range(100):
        after = pictures(page)
        if after != before:
            page.wait_for_timeout(300)
            return pictures(page)
        page.wait_for_timeout(50)
    return before


def errors_in(page) -> list[str]:
    """Outputs of cells that are errors."""
    told = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    return [told.nth(n).inner_text()[:500] for n in range(told.count())]


def test_the_lesson_runs_and_every_control_changes_the_picture(page):
    assert errors_in(page) == []
    unchanged = []

    def moved(name, act):
        before = pictures(page)
        act()
        if settled(page, before) == before:
            unchanged.append(name)

    explorer = page.locator(EXPLORER)
    handles = explorer.locator(".noUi-handle")
    for number in range(handles.count()):
        moved(f"slider {number}", lambda n=number: handles.nth(n).press("ArrowRight"))
    boxes = explorer.locator("input[type=checkbox]")
    for number in range(boxes.count()):
        moved(f"box {number}", lambda n=number: boxes.nth(n).click())
    for arrow in "←→↑↓":
        button = explorer.locator(f"button:text-is('{arrow}')")
        moved(arrow, lambda b=button: b.click())
    play = explorer.locator(".widget-play button, .jupyter-widget-play button")
    moved("play", lambda: play.first.click())
    play.nth(1).click()  # stop
    menus = explorer.locator("select")
    for number, place in enumerate((1, 1, 0, 1)):
        menu = menus.nth(number)
        moved(f"menu {number}", lambda m=menu, p=place: m.select_option(index=p))
    menus.nth(4).select_option(index=1)  # the question alone changes nothing
    for name in ("ask the network", "measure this token"):
        button = explorer.locator(f"button:text-is('{name}')")
        moved(name, lambda b=button: b.click())
    counts = (handles.count(), menus.count(), boxes.count())
    assert counts == (5, 5, 2)
    assert not unchanged
    assert errors_in(page) == []


def test_a_click_on_a_map_picks_the_token(page):
    picture = page.locator(f"{EXPLORER} img[alt]").first
    before, seen = pictures(page), set()
    for x in (185, 230):  # within the second map
        picture.click(position={"x": x, "y": 100})
        before = settled(page, before)
        seen.add(page.locator(f"{EXPLORER} svg[role=img]").first.inner_html())
    assert len(seen) == 2


def test_a_move_of_the_frame_is_measured(page, capsys):
    """No time is asserted; the number is printed (``-s`` shows it)."""
    page.evaluate(WATCH, EXPLORER)
    handle = page.locator(f"{EXPLORER} .noUi-handle").first
    for number, key in enumerate(["ArrowRight", "ArrowLeft"] * 20):
        handle.press(key)
        page.wait_for_function(f"window.moves.length > {number}", timeout=10_000)
        page.wait_for_timeout(200)
    times = sorted(page.evaluate("window.moves"))
    assert len(times) == 40  # each key moved the picture once
    p95 = times[int(0.95 * len(times))]
    with capsys.disabled():
        print(f"\nframe: median {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")
