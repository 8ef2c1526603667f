"""The explorer's page, in a browser without a network.

Every control does something; what is shown, and where, is as the widgets show it.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from dvfl_lib.explorer.lines import probability_bars
from dvfl_lib.explorer.pictures import compare_row
from dvfl_lib.explorer.view import moved_to

from browser.driving import CHROMIUM, on_page
from dvfl_lib.explorer import first_view
from dvfl_lib.explorer.page import write_page
from small_record import other_record, small_record

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
SET = """([id, value]) => { const e = document.getElementById(id);
  if (e.type === 'checkbox') e.checked = value; else e.value = value;
  for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind)); }"""
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
# Rows and columns of a canvas that hold the token's red; or that are blank.
RED = """id => { const c = document.getElementById(id);
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  const xs = [], ys = [];
  for (let i = 0; i < d.length; i += 4)
    if (d[i] > 190 && d[i + 1] < 30 && d[i + 2] < 30) {
      xs.push(i / 4 % c.width); ys.push(Math.floor(i / 4 / c.width)); }
  return [Math.min(...xs), Math.max(...xs) + 1, Math.min(...ys), Math.max(...ys) + 1,
    c.width, c.height]; }"""
BLANK = """id => { const c = document.getElementById(id), blank = [];
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let x = c.width, y = c.height;
  while (x > 0 && d[4 * (x - 1) + 3] === 0) x--;
  while (y > 0 && d[4 * (y - 1) * c.width + 3] === 0) y--;
  return [x / c.width, y / c.height]; }"""
BARS = """() => [...document.querySelectorAll('.maps .bar, .reach .bar')].map(e => {
  const bar = e.getBoundingClientRect();
  const map = e.previousSibling.getBoundingClientRect();
  return [bar.left - map.right, bar.top - map.top, bar.right]; })"""
OVERLAPS = """() => { const boxes = [...document.querySelectorAll('rect')];
  const area = e => e.getBoundingClientRect(), found = [];
  for (const t of document.querySelectorAll('text')) for (const r of boxes) {
    let a = area(t); const b = area(r), inner = t.closest('svg svg');
    const right = inner ? Math.min(a.right, area(inner).right) : a.right;
    if (b.width && a.left < b.right && right > b.left && a.top < b.bottom - 2 &&
        a.bottom > b.top + 2) found.push(t.textContent); }
  const all = area(document.querySelector('svg[role=img]')).right;
  for (const t of document.querySelectorAll('text'))
    if (!t.closest('svg svg') && area(t).right > all) found.push(t.textContent);
  return found; }"""


@pytest.fixture
def shown(tmp_path):
    """Opens the page of a record."""
    opened = []

    def show(record, **more):
        context = on_page(write_page(record, tmp_path / "page.html"), **more)
        opened.append(context)
        return context.__enter__()

    yield show
    for context in opened:
        context.__exit__(None, None, None)


def pick(page, control, text):
    """Choose in a menu by a part of its text."""
    options = page.locator(f"#{control} option").all_inner_texts()
    (number,) = [n for n, told in enumerate(options) if text in told]
    page.evaluate(SET, [control, number])


def look(page, name):
    return page.evaluate(
        "id => { const e = document.getElementById(id);"
        "return e.toDataURL ? e.toDataURL() : e.innerHTML; }",
        name,
    )


def test_every_control_changes_the_picture(shown):
    page = shown(small_record((4, 32, 32)))
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


def test_the_same_choice_gives_the_same_numbers_as_the_widgets(shown):
    record = other_record(36)
    page = shown(record)
    for own in record.networks:
        for beside in record.networks:
            pick(page, "network", own.name)
            pick(page, "compare", beside.name)
            for stage, block in own.maps.places:
                pick(page, "place", f"stage {stage}, block {block}")
                view = first_view(record)
                view = replace(view, network=own.name, place=(stage, block))
                view = replace(view, row=0, column=0, compare=beside.name)
                words = compare_row(record, view).words.lower()
                found = page.inner_text("#rank").partition("frames): ")[2]
                if found.startswith("none"):
                    reason = found.removeprefix("none (").removesuffix(")")
                    assert f"no rank correlation: {reason}" in words
                else:
                    wanted = re.search(r"frames ([-+]\d\.\d\d)", words)[1]
                    assert float(found) == pytest.approx(float(wanted), abs=0.011)
                last = beside.last_place_of(stage)
                other = page.inner_text("figure:has(#compare-other) figcaption")
                assert other.endswith("stage {}, block {}".format(*last))
    assert page.faults == []


def test_another_network_keeps_the_stage_as_the_widgets_do(shown):
    record = other_record(36)
    page = shown(record)
    view = first_view(record)
    for stage, block in record.network("coarse").maps.places:
        for name in ("fine", "short"):
            pick(page, "network", "coarse")
            pick(page, "place", f"stage {stage}, block {block}")
            pick(page, "network", name)
            wanted = moved_to(record, view, name, (stage, block)).place
            told = page.evaluate("document.querySelector('#place').value")
            assert record.network(name).maps.places[int(told)] == wanted


@pytest.mark.parametrize("place", [0, 2])
def test_a_token_is_framed_on_the_pixels_it_covers(shown, place):
    """35 x 63 pixels: tokens of 4 pixels cover 32 x 60, of 16 pixels 32 x 48."""
    record = small_record((2, 35, 63), grid=0, regions=1)
    page = shown(record)
    page.evaluate(SET, ["place", place])
    for control in ("row", "column"):
        page.evaluate(f"e => {{ {control}.value = {control}.max }}")
        page.evaluate(SET, [control, page.input_value(f"#{control}")])
    side, wide = (4, 60) if place == 0 else (16, 48)
    for name in ("map-input", "map-space", "compare-other"):
        left, right, top, bottom, width, height = page.evaluate(RED, name)
        assert width / height == pytest.approx(63 / 35, abs=0.01)
        found = np.array([left, right]) / width * 63, np.array([top, bottom]) / height
        assert found[0] == pytest.approx([wide - side, wide], abs=0.6)
        assert found[1] * 35 == pytest.approx([32 - side, 32], abs=0.6)
    for name in ("map-product", "gate-1"):
        assert page.evaluate(BLANK, name) == pytest.approx(
            [wide / 63, 32 / 35], abs=0.01
        )
    page.evaluate(SET, ["overlay", 0])  # the frame alone, only where the map is
    assert page.evaluate(BLANK, "map-time") == pytest.approx(
        [wide / 63, 32 / 35], abs=0.01
    )


def test_a_click_picks_the_token_below_it(shown):
    page = shown(small_record((1, 35, 63), grid=0, regions=1), width=400)
    scale = page.evaluate("document.getElementById('map-space').clientWidth") / 63
    for x, y, said in [
        (57, 29, "row 8, column 15 of 8 x 15"),
        (1, 1, "row 1, column 1 "),
        (59, 5, "row 2, column 15 "),
        (61.5, 5, "row 2, column 15 "),  # no token there: nothing happens
        (5, 33.8, "row 2, column 15 "),
    ]:
        at = {"x": 1 + x * scale, "y": 1 + y * scale}
        page.locator("#map-space").click(position=at)
        assert said in page.inner_text("#token-told")


@pytest.mark.parametrize("size", [(3, 32, 32), (2, 32, 90), (2, 90, 32)])
@pytest.mark.parametrize("width", [300, 400, 1200])
def test_a_scale_stays_beside_its_map(shown, size, width):
    page = shown(small_record(size, grid=1, regions=1), width=width)
    page.evaluate(SET, ["network", 1])
    page.evaluate(SET, ["place", 3])
    bars = page.evaluate(BARS)
    assert len(bars) == 4 + 2 + 2 + 4
    for beside, below, right in bars:
        assert 0 <= beside < 10 and abs(below) < 2 and right <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.evaluate(
        "(e => [e.clientWidth, e.clientHeight])(document.getElementById('map-time'))"
    )
    assert box[0] / box[1] == pytest.approx(size[2] / size[1], rel=0.03)


def test_one_frame_is_a_dot(shown):
    def inked(page, name):
        return page.evaluate(
            "id => { const c = document.getElementById(id);"
            "const d = c.getContext('2d').getImageData(44, 25, 14, 180).data;"
            "let n = 0; for (let i = 0; i < d.length; i += 4)"
            "n += d[i + 3] > 0 && Math.max(d[i], d[i + 1], d[i + 2])"
            " - Math.min(d[i], d[i + 1], d[i + 2]) > 60; return n; }",
            name,
        )

    page = shown(small_record((1, 32, 32), grid=0, regions=1))
    for name in ("lines", "lines-modulators"):
        assert inked(page, name) > 25
    assert page.faults == []


def test_zeros_have_the_colour_of_zero(shown):
    record = small_record((2, 32, 32), grid=0, regions=1)
    first = record.networks[0]
    block = first.maps.blocks[0]
    gates = {branch: np.zeros_like(g) for branch, g in block.gates.items()}
    zeros = np.zeros_like(block.product)
    block = replace(block, gates=gates, product=zeros)
    maps = replace(first.maps, blocks=(block, *first.maps.blocks[1:]))
    page = shown(replace(record, networks=(replace(first, maps=maps),)))
    pixel = "id => [...document.getElementById(id).getContext('2d')"
    pixel += ".getImageData(3, 3, 1, 1).data].slice(0, 3)"
    for signed, wanted in ((True, [246, 246, 246]), (False, [0, 34, 78])):
        page.evaluate(f"signed.checked = {str(signed).lower()}")
        page.evaluate(SET, ["overlay", 1])
        assert page.evaluate(pixel, "gate-1") == pytest.approx(wanted, abs=2)
    assert page.evaluate(pixel, "map-product") == pytest.approx([0, 34, 78], abs=2)


def test_one_network_is_not_shown_beside_itself(shown):
    record = small_record((2, 32, 32), grid=0, regions=1)
    page = shown(replace(record, networks=record.networks[:1]))
    for name in ("compare", "rank", "row-compare"):
        assert not page.is_visible(f"#{name}")
    assert "Two networks" not in page.inner_text("body")
    assert page.locator("#row-bars table").count() == 1
    page.evaluate(SET, ["frame", 1])
    assert page.faults == []


def test_of_many_classes_the_likeliest_and_the_true_one_are_shown(shown):
    record = small_record((1, 32, 32), grid=0, regions=1)
    random = np.random.default_rng(0)
    networks = []
    for entry in record.networks:
        logits = random.normal(size=1000).astype(np.float32)
        outcomes = [
            replace(o, logits=random.normal(size=1000).astype(np.float32))
            for o in entry.outcomes
        ]
        maps = replace(entry.maps, logits=logits)
        networks.append(replace(entry, maps=maps, outcomes=tuple(outcomes)))
    classes = tuple(f"class {n}" for n in range(1000))
    truth = classes[int(networks[0].logits.argmin())]
    record = replace(record, networks=tuple(networks), classes=classes, label=truth)
    page = shown(record)
    best = np.argsort(-networks[0].logits)[:10]
    tables = page.locator("#row-bars table")
    rows = tables.first.locator("th").all_inner_texts()
    assert rows[:10] == [classes[n] for n in best]
    assert f"{truth} (true)" in rows and len(rows) == 12
    assert classes[int(networks[1].logits.argmax())] in rows
    assert (
        page.locator("#row-bars table").nth(1).locator("th").all_inner_texts() == rows
    )
    assert page.locator("#row-outcome tr").count() == 24
    assert "12 of 1000 classes" in page.inner_text("#row-bars")


def test_long_names_do_not_run_under_the_bars(tmp_path):
    record = small_record((1, 32, 32), grid=0, regions=1)
    names = ("BoxingPunchingBag", "MIXING WWW MMM " * 12, "動画" * 30)
    record = replace(record, classes=names, label=names[0])
    view = replace(first_view(record), change=0)
    path = tmp_path / "bars.html"
    page = f"<body data-ready=1><meta charset=utf-8>{probability_bars(record, view)}"
    path.write_text(page, "utf-8")
    with on_page(path, width=2000) as page:
        assert page.locator("rect").count() == 9
        assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize(
    ("before", "spoil", "said"),
    [
        ("delete window.DecompressionStream", None, "this browser is too old"),
        ("", ('"networks": [', '"networks": [NaN, '), "the page is damaged"),
        ("", ('id="blob">', 'id="blob">!'), "the page is damaged"),
        ("", ('id="blob">e', 'id="blob">f'), "the page is damaged"),
    ],
)
def test_what_cannot_be_shown_is_told(tmp_path, before, spoil, said):
    path = write_page(small_record((1, 32, 32), grid=0), tmp_path / "page.html")
    if spoil:
        text = path.read_text("utf-8")
        assert spoil[0] in text
        path.write_text(text.replace(*spoil), "utf-8")
    with on_page(path, before=before) as page:
        told = page.inner_text("#message")
        assert told.startswith("Nothing can be shown: ") and said in told
        assert len(told) > 30 and page.is_visible("#message")
        assert not page.is_visible("#frame") and page.is_visible("h1")
        assert page.faults == []
