"""The layer, the token and maps beside each other, against Python's numbers."""

import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from browser.driving import CHROMIUM, choose, on_page, settle
from dvfl_lib.explorer import write_page
from dvfl_lib.explorer.asking import ask, measure
from dvfl_lib.explorer.packing import Packer, pack_reach, pack_record
from dvfl_lib.explorer.page import page_text
from dvfl_lib.explorer.record import rank_correlation, softened
from small_record import small_networks, small_record

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
WORDS = {"space": "spatial", "time": "temporal"}
LEVELS = ("level 1", "level 2", "global")
NOTHING = {"order": [0, 1, 2, 3], "grey": [], "off": []}
# Of each map its words, and the number that is written above it.
LABELS = """[...document.querySelectorAll('.dvfl-map:not([hidden])')].map(e =>
  [e.querySelector('canvas').ariaLabel, e.querySelector('output').textContent])"""
PIXEL = """([canvas, row, column]) =>
  [...canvas.getContext('2d').getImageData(column, row, 1, 1).data]"""
COLOURS = """canvas => { const {data} = canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height), all = new Set();
  for (let i = 0; i < data.length; i += 4) all.add(data.slice(i, i + 3).join());
  return [...all]; }"""


@pytest.fixture(scope="module")
def record():
    """Two untrained networks on four frames of noise, 32 x 32: 8 x 8 tokens."""
    return small_record((4, 32, 32), label="run")


@pytest.fixture(scope="module")
def opened(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    with on_page(write_page(record, path, small_networks())) as page:
        page.set_default_timeout(8000)
        yield page


@pytest.fixture
def page(opened):
    """One page for all tests, as it was when it was opened."""
    opened.get_by_role("button", name="As recorded", exact=True).click(force=True)
    for name in ("student", "stage 1, block 1", "now", "in this block", "signed"):
        choose(opened, name)
    opened.locator(".dvfl-frame").first.click()
    settle(opened)
    yield opened
    assert opened.faults == []


def flip(page, name):
    page.get_by_role("switch", name=name, exact=True).click()
    settle(page)


def canvas(page, words):
    return page.locator(f'.dvfl canvas[aria-label^="{words}, frame"]').first


def click(page, words, row, column, side=8):
    """The middle of a token of a map with ``side`` tokens per side."""
    box = canvas(page, words).bounding_box()
    x, y = ((n + 0.5) / side for n in (column, row))
    canvas(page, words).click(position={"x": x * box["width"], "y": y * box["height"]})
    settle(page)


def shown(page):
    """The number of every box of the layer, by its words."""
    found = {}
    for words, number in page.evaluate(LABELS):
        found.setdefault(words.split(", frame")[0], number)
    return found


def expected(block, row, column, frame=0):
    """The same numbers from ModulationMaps."""
    at = (frame, row, column)
    found = {"query": block.q[at], "spatial modulator": block.m_space[at]}
    found |= {"temporal modulator": block.m_time[at]}
    found |= {"product of the modulators": block.product[at]}
    for branch, word in WORDS.items():
        sums = block.contributions(branch)
        for n, level in enumerate(LEVELS):
            z = np.broadcast_to(block.contexts[branch][n], block.size)
            found[f"{word} contexts, {level}"] = z[at]
            found[f"{word} gates, {level}"] = block.gates[branch][n][at]
            found[f"{word} gate \u00d7 context, {level}"] = sums[n][at]
    return found


def agree(page, block, row, column, frame=0):
    """Every box says Python's number, in its three digits."""
    said = shown(page)
    for words, number in expected(block, row, column, frame).items():
        # Half of the third digit, and the record's 16-bit steps.
        assert float(said[words]) == pytest.approx(number, rel=6e-3, abs=2e-4), words


def test_every_box_says_the_record_s_number(page, record):
    click(page, "query", 4, 4)
    agree(page, record.network("student").maps.at(1), 4, 4)
    choose(page, "teacher")
    agree(page, record.network("teacher").maps.at(1), 4, 4)
    choose(page, "stage 2, block 1")  # 4 x 4 tokens: the same place of the picture
    agree(page, record.network("teacher").maps.at(2), 2, 2)


@pytest.mark.parametrize("everywhere", [False, True])
def test_each_switch_does_what_python_does(page, record, everywhere):
    model = small_networks()["student"]
    if everywhere:
        choose(page, "in all blocks")
    click(page, "query", 5, 2)
    wanted = [("the whole block", "block", 0)]
    for branch, word in WORDS.items():
        wanted.append((f"{word} branch", branch, 0))
        wanted += [(f"{word} {name}", branch, n + 1) for n, name in enumerate(LEVELS)]
    for name, part, level in wanted[:: 3 if everywhere else 1]:
        place = {"stage": 0, "block": 0} if everywhere else {"stage": 1, "block": 1}
        change = NOTHING | {"off": [place | {"part": part, "level": level}]}
        maps = ask(record, "student", model, change)
        before = shown(page)
        flip(page, name)
        assert page.get_by_role("switch", name=name).get_attribute("aria-checked") == (
            "false"
        )
        cut = page.locator(".dvfl-cut:is(.dvfl-map, .dvfl-out)").count()
        assert cut == (2 if level else 1), name
        agree(page, maps.at(1), 5, 2)
        choose(page, "stage 2, block 1")
        agree(page, maps.at(2), 2, 1)
        choose(page, "stage 1, block 1")
        flip(page, name)
        assert page.locator(".dvfl-cut").count() == 0
        assert shown(page) == before


def test_a_click_on_any_map_picks_the_token_everywhere(page):
    for words, frame in [("temporal gates, level 2", 1), ("dependence through", 3)]:
        if frame == 1:
            click(page, words, 2, 6)
        else:  # of the third frame
            strip = page.locator('canvas[aria-label^="dependence"]')
            box = strip.nth(2).bounding_box()
            where = {"x": 0.8 * box["width"], "y": 0.3 * box["height"]}
            strip.nth(2).click(position=where)
            settle(page)
        labels = [words for words, _ in page.evaluate(LABELS)]
        assert len(labels) > 26
        for words in labels:
            if f"frame {frame}" in words and not re.match("input|dep", words):
                assert re.search("row (3, column 7|1, column 1):", words), words
        where = page.locator(".dvfl-where").text_content()
        assert where == f"Frame {frame} of 4, row 3, column 7 of 8 \u00d7 8 tokens."
        for name in ("query", "input"):
            seen = canvas(page, name).bounding_box()
            mark = canvas(page, name).locator("xpath=..").locator(".dvfl-mark")
            box = mark.bounding_box()
            assert box["width"] == pytest.approx(seen["width"] / 8, abs=1)
            assert box["x"] - seen["x"] == pytest.approx(6 * box["width"], abs=1)
            assert box["y"] - seen["y"] == pytest.approx(2 * box["height"], abs=1)


def test_arrow_keys_move_the_token_and_stop_at_the_edge(page):
    click(page, "query", 6, 1)
    canvas(page, "input").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        settle(page)
    assert "row 7, column 1 of" in page.locator(".dvfl-where").text_content()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert "row 7, column 2 of" in page.locator(".dvfl-where").text_content()


def test_the_pointer_reads_a_value(page, record):
    click(page, "query", 0, 0)
    box = canvas(page, "spatial gates, level 1").bounding_box()
    canvas(page, "spatial gates, level 1").hover(
        position={"x": 5.5 / 8 * box["width"], "y": 3.5 / 8 * box["height"]}
    )
    told = page.locator(".dvfl-tip").text_content()
    where, number = told.split(": ")
    assert where == "row 4, column 6"
    gate = record.network("student").maps.at(1).gates["space"][0][0, 3, 5]
    assert float(number) == pytest.approx(gate, rel=6e-3)
    page.mouse.move(0, 0)
    assert not page.locator(".dvfl-tip").is_visible()


def test_a_pixel_has_the_colour_of_its_number_and_scales_are_symmetric(page, record):
    told, blob = pack_record(record)
    block = record.network("student").maps.at(1)
    row, column = 3, 5
    for words, values, kind in [
        ("spatial gates, level 1", block.gates["space"], "signed"),
        ("query", block.q, "amount"),
    ]:
        label = canvas(page, words).get_attribute("aria-label")
        low, high = map(float, re.search("from (.*) to (.*)", label).groups())
        far = np.abs(values).max()  # of all levels and all frames
        assert high == pytest.approx(far, rel=6e-3)
        least = -far if kind == "signed" else values.min()
        assert low == pytest.approx(least, rel=6e-3)
        start = told["luts"][kind]["at"]
        lut = np.frombuffer(blob, np.uint8, 768, start).reshape(256, 3)
        span = (least, far)
        number = (values if words == "query" else values[0])[0, row, column]
        step = 255 * (number - span[0]) / (span[1] - span[0])
        near = lut[max(0, int(step) - 1) : int(step) + 3].astype(int)
        handle = canvas(page, words).element_handle()
        pixel = page.evaluate(PIXEL, [handle, row, column])
        assert np.abs(near - pixel[:3]).sum(1).min() == 0
        # On the screen it is the same colour to the edge of the token: not smoothed.
        canvas(page, words).evaluate("e => e.scrollIntoView({block: 'center'})")
        screen = plt.imread(io.BytesIO(canvas(page, words).screenshot()))
        side = screen.shape[0] / 8
        corner = [int((row + 0.97) * side) - 1, int((column + 0.97) * side) - 1]
        assert (255 * screen[*corner, :3]).round().tolist() == pixel[:3]
    choose(page, "absolute")
    label = canvas(page, "spatial gates, level 1").get_attribute("aria-label")
    assert "colours from 0 to" in label


def test_the_difference_is_white_where_nothing_changed(page, record):
    choose(page, "stage 2, block 1")
    flip(page, "temporal branch")
    choose(page, "difference")
    grounds = {}
    for words in ("query", "temporal gates, level 1", "temporal modulator"):
        grounds[words] = page.evaluate(COLOURS, canvas(page, words).element_handle())
    assert len(grounds["temporal modulator"]) > 4
    assert grounds["query"] == grounds["temporal gates, level 1"]
    (white,) = grounds["query"]
    assert min(map(int, white.split(","))) > 240
    label = canvas(page, "temporal modulator").get_attribute("aria-label")
    low, high = map(float, re.search("from (.*) to (.*)", label).groups())
    assert low == -high
    model = small_networks()["student"]
    off = [{"stage": 2, "block": 1, "part": "time", "level": 0}]
    now = ask(record, "student", model, NOTHING | {"off": off}).at(2).m_time
    change = now - record.network("student").maps.at(2).m_time
    assert high == pytest.approx(np.abs(change).max(), rel=6e-3)
    choose(page, "now")


def test_lines_go_over_the_frames_and_a_click_chooses_one(page, record):
    click(page, "query", 4, 4)
    chart = page.locator(".dvfl-chart svg").nth(1)
    box = chart.bounding_box()
    chart.click(position={"x": 320 / 400 * box["width"], "y": 0.5 * box["height"]})
    settle(page)
    gates = record.network("student").maps.at(1).gates["time"]
    told = chart.get_attribute("aria-label")
    assert "in frame 4" in told
    for n, name in enumerate(LEVELS):
        said = float(re.search(f"{name} ([^,]*)", told)[1])
        assert said == pytest.approx(gates[n][3, 4, 4], rel=6e-3, abs=1e-4)
    agree(page, record.network("student").maps.at(1), 4, 4, frame=3)


def test_what_a_token_depends_on_is_counted(page, record):
    page.locator(".dvfl-frame").nth(2).click()
    settle(page)
    for place, title in [((1, 1), "stage 1, block 1"), ((3, 1), "stage 3, block 1")]:
        choose(page, title)
        where = page.locator(".dvfl-where").text_content()
        frame, row, column = (
            int(n) - 1 for n in re.findall(r"\w+ (\d+)[ ,]", where)[:3]
        )
        entry = record.network("student")
        reach = entry.reach[entry.maps.places.index(place)]
        # The same frame before all, then the distance on the map.
        gap = np.abs(reach.tokens - [frame, row, column]) * [1e3, 1, 1]
        number = (gap**2).sum(1).argmin()
        lines = page.locator(".dvfl-strips p").all_text_contents()
        assert len(lines) == len(reach.sources)
        for line, source, maps in zip(lines, reach.sources, reach.maps, strict=True):
            count, size = (maps[number] > 0).sum(), maps[number].size
            many = f"{count:,} of {size:,}" if count < size else f"all {size:,}"
            assert line.endswith(f"stage {source[0]}, block {source[1]}: {many} tokens")
    choose(page, "stage 1, block 1")
    click(page, "query", 0, 0)
    assert "the nearest one that was: frame 3, row 3" in told_of(page, "reach")
    click(page, "query", 2, 2)
    assert "Measured for this token" in told_of(page, "reach")
    flip(page, "temporal branch")
    assert "without your changes" in told_of(page, "reach")
    # Level 1 sees 3 x 3 tokens of frame 3, and one token of those beside it.
    levels = page.get_by_role("group", name="Level")
    levels.get_by_role("radio", name="1").check(force=True)
    settle(page)
    strip = page.locator(".dvfl-strip-of").first.locator(".dvfl-seen").all()
    token = strip[0].bounding_box()["width"] / 8
    for seen, wanted in zip(strip, [[], [1], [3], [1]], strict=True):
        sides = [e.bounding_box() for e in seen.locator(".dvfl-window").all()]
        for key in ("width", "height"):
            assert [round(box[key] / token, 1) for box in sides] == wanted
    levels.get_by_role("radio", name="all").check(force=True)


def told_of(page, part):
    return page.locator(f"[data-part={part}]").inner_text()


# A kernel for the page: it keeps what it is asked, and answers when the test says.
KERNEL = """const heard = [];
window.answer = (content, bytes) => heard.forEach(f =>
  f({ ...content, id: window.asked.id },
    [new DataView(Uint8Array.from(bytes).buffer)]));
const model = { send: (content) => { window.asked = content; }, off: () => {},
  on: (name, f) => { if (name === "msg:custom") heard.push(f); },
  get"""


def test_a_kernel_measures_the_chosen_token(record, opened, tmp_path):
    text = page_text(record, small_networks()).replace(
        '"kernel": false', '"kernel": true'
    )
    text = re.sub(r"const model = \{ get(.*?), on: .*\};", rf"{KERNEL}\1 }};", text)
    path = tmp_path / "page.html"
    path.write_text(text)
    with on_page(path, beside=opened) as page:
        page.set_default_timeout(8000)
        settle(page)
        click(page, "query", 1, 6)
        assert "This token was not measured" in told_of(page, "reach")
        page.get_by_role("button", name="Measure this token").click()
        assert page.evaluate("asked.token") == [0, 1, 6]
        assert page.evaluate("asked.network") == "student"
        model = small_networks()["student"]
        reach = measure(
            record, "student", model, page.evaluate("asked.block"), (0, 1, 6)
        )
        packer = Packer()
        told = pack_reach(packer, reach)
        answer = {"kind": "measured", "reach": told}
        page.evaluate("([told, raw]) => answer(told, raw)", [answer, [*packer.raw()]])
        page.get_by_text(
            "Measured for this token (frame 1, row 2, column 7)"
        ).wait_for()
        count = (reach.maps[0] > 0).sum()
        assert f"{count} of 256 tokens" in told_of(page, "reach")
        assert not page.get_by_role("button", name="Measure this token").is_visible()
        click(page, "query", 1, 5)  # the next one was not
        page.get_by_role("button", name="Measure this token").click()
        page.evaluate("answer({ kind: 'trouble', text: 'No memory is left.' }, [])")
        page.get_by_text("No memory is left. This token was not measured").wait_for()
        assert page.faults == []


def test_maps_beside_each_other_are_compared(page, record):
    choose(page, "stage 2, block 1")
    entry, other = record.network("student"), record.network("teacher")
    product = entry.maps.at(2).product
    pairs = [other.maps.at(2).product, entry.cams[1]]
    groups = page.locator(".dvfl-group-of")
    for n, beside in enumerate(pairs):
        said = groups.nth(n).inner_text()
        value = float(re.search(r"all frames: (\S+)", said)[1])
        assert value == pytest.approx(rank_correlation(product, beside), abs=0.006)
        tops = []
        for values in (product, beside):
            order = np.sort(values, axis=None)
            top = order[int(0.9 * values.size)]
            tops.append((values >= top) & (values > 0))
        for side in (0, 1):
            differ = (tops[side] & ~tops[1 - side])[0].sum()
            assert groups.nth(n).locator("svg").nth(side).locator("rect").count() == (
                differ
            )


def test_covering_each_token_says_what_the_network_says(page, record):
    choose(page, "stage 2, block 1")
    model = small_networks()["student"]
    page.get_by_role("button", name="Cover each token in turn").click()
    group = page.locator(".dvfl-group-of").nth(2)
    group.get_by_text("16 of 16 tokens covered").wait_for()
    chance = softened(record.network("student").logits, 1.0)[1]  # of "run", the label
    falls = np.empty((4, 4))
    for (row, column), _ in np.ndenumerate(falls):
        box = [-1, 8 * row, 8 * column, 8 * row + 8, 8 * column + 8]
        said = ask(record, "student", model, NOTHING | {"grey": [box]}).logits
        falls[row, column] = 100 * (chance - softened(said, 1.0)[1])
    for row, column in [(0, 0), (1, 3), (3, 2)]:
        click(page, "query", row, column, side=4)
        number = float(shown(page)["what covering costs"])
        assert number == pytest.approx(falls[row, column], rel=6e-3, abs=0.01)
    row, column = np.unravel_index(falls.argmax(), falls.shape)
    assert f"most at row {row + 1}, column {column + 1}" in group.inner_text()
    flip(page, "spatial branch")  # of another clip nothing is known
    assert "tokens covered" not in group.inner_text()


@pytest.mark.parametrize("width", [320, 800, 1200, 1920])
def test_the_layer_is_readable_at_every_width(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    settle(page)
    sizes = [e.bounding_box() for e in page.locator(".dvfl-flow .dvfl-seen").all()]
    assert len(sizes) == 23
    assert min(box["width"] for box in sizes) >= (96 if width > 400 else 80)
    for n, one in enumerate(sizes):
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= width
        for two in sizes[:n]:  # none lies over another
            apart = (
                one["x"] + one["width"] <= two["x"]
                or two["x"] + two["width"] <= one["x"]
                or one["y"] + one["height"] <= two["y"]
                or two["y"] + two["height"] <= one["y"]
            )
            assert apart
    page.set_viewport_size({"width": 1200, "height": 900})
