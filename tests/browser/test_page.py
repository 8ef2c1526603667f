"""The explorer's page in a browser without a network: every control does something."""

import numpy as np
import pytest

from browser.driving import CHROMIUM, on_page
from dvfl_lib.explorer.page import write_page
from small_record import small_record

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
SET = """([id, value]) => { const e = document.getElementById(id);
  if (e.type === 'checkbox') e.checked = value; else e.value = value;
  const start = performance.now();
  for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind));
  return performance.now() - start; }"""
# Control, new value, what must look different afterwards.
MOVES = [
    ("frame", 2, "map-input"),
    ("place", 1, "map-product"),
    ("row", 0, "map-space"),
    ("column", 0, "lines"),
    ("shared", False, "map-time"),
    ("signed", False, "gate-1"),
    ("overlay", 0.5, "map-product"),
    ("network", 1, "contribution-1"),
    ("frame", 0, "reach-0"),
    ("compare", 0, "compare-other"),
    ("temperature", 0.9, "row-bars"),
    ("intervention", 1, "row-outcome"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    record = small_record((4, 32, 32))
    return write_page(record, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def page(path):
    with on_page(path) as page:
        yield page


def look(page, name):
    return page.evaluate(
        "id => { const e = document.getElementById(id);"
        "return e.toDataURL ? e.toDataURL() : e.innerHTML; }",
        name,
    )


def test_every_control_changes_the_picture(page):
    for control, value, seen in MOVES:
        before = look(page, seen)
        page.evaluate(SET, [control, value])
        assert look(page, seen) != before, f"{control} did not change {seen}"
    before = look(page, "map-input")
    page.locator("#map-input").focus()
    page.keyboard.press("ArrowRight")
    assert look(page, "map-input") != before
    for button in ("down", "up", "left", "right"):
        before = look(page, "map-input")
        page.click(f"#{button}")
        assert look(page, "map-input") != before, f"{button} moved nothing"
    page.locator("#map-space").click(position={"x": 100, "y": 100})
    page.click("#play")
    page.wait_for_function("document.getElementById('frame').value !== '0'")
    assert page.faults == []


def test_moving_the_frame_is_measured(page):
    took = [page.evaluate(SET, ["frame", n % 4]) for n in range(40)]
    print(f"p95 of a move of the frame: {np.percentile(took, 95):.1f} ms")
    assert np.isfinite(took).all() and page.faults == []
