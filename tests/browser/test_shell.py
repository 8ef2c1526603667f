"""The explorer's page in a browser: the film, the answers, the controls."""

import re
import statistics
from importlib import resources

import pytest

from browser.driving import CHROMIUM, choose, on_page, settle
from dvfl_lib.explorer import write_page
from small_record import small_networks, small_record

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
FRAMES = 4
LOOK = """part => [...document.querySelectorAll(`.dvfl [data-part=${part}]`)].map(e =>
    e.innerHTML + [...e.querySelectorAll('canvas')].map(c => c.toDataURL())).join()"""
BARS = "[...document.querySelectorAll('.dvfl-bar i')].map(e => e.style.width)"
RECORDED = "[...document.querySelectorAll('.dvfl-bar u')].map(e => e.style.left)"
# Top, left, bottom, right of the grey pixels of a frame: [] if there are none.
GREY = """place => { const c = document.querySelectorAll('.dvfl-frame canvas')[place];
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, at = [];
  for (let i = 0; i < c.width * c.height; i++)
    if (d[4 * i] === 124 && d[4 * i + 1] === 116 && d[4 * i + 2] === 104)
      at.push([Math.floor(i / c.width), i % c.width]);
  const [y, x] = [0, 1].map(k => at.map(p => p[k]));
  return at.length && [Math.min(...y), Math.min(...x), Math.max(...y) + 1,
    Math.max(...x) + 1]; }"""
TOOLS = ".dvfl :is(button:not([role=switch]), .dvfl-wires):visible"
COLOUR = "getComputedStyle(document.querySelector('.dvfl')).backgroundColor"
# What shows less than it holds, or lies beyond the right edge.
CUT = """() => [...document.querySelectorAll('.dvfl *')].filter(e => {
  if (!e.checkVisibility() || e.closest('.dvfl-unseen')) return false;
  const clips = getComputedStyle(e).overflowY !== 'visible';
  return e.getBoundingClientRect().right > innerWidth + 1
    || clips && e.scrollHeight > e.clientHeight + 1;
}).map(e => e.outerHTML.slice(0, 200))"""
# How long after a key the picture was drawn.
WATCH = """() => { window.took = []; document.addEventListener('keydown', event => {
  if (event.key === 'Shift') return;
  const pressed = performance.now();
  requestAnimationFrame(() => setTimeout(() =>
    window.took.push(performance.now() - pressed))); }, true); }"""
SECOND = """
const second = document.createElement("main");
document.body.append(second);
render({ model, el: second });
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The page of two untrained networks on four frames of noise, 32 x 32."""
    record = small_record((FRAMES, 32, 32), label="run")
    return write_page(record, tmp_path_factory.mktemp("p") / "p.html", small_networks())


@pytest.fixture(scope="module")
def opened(path):
    with on_page(path) as page:
        page.set_default_timeout(8000)
        yield page


@pytest.fixture
def page(opened):
    """One page for all tests, as it was when it was opened."""
    press(opened, "As recorded")
    choose(opened, "student")
    choose(opened, "stage 1, block 1, 8 by 8 tokens")
    settle(opened)
    yield opened
    assert opened.faults == []


def press(page, name, key=""):
    button = page.get_by_role("button", name=name, exact=True).first
    # "As recorded" may have nothing to do, and takes a click then, too.
    button.press(key) if key else button.click(force=name == "As recorded")
    settle(page)


def order(page):
    """Which recorded frame each place says it shows: the last number it tells."""
    told = page.locator(".dvfl-frame").all_text_contents()
    return [int(re.findall(r"(?<=frame )\d+|^\d+", words)[-1]) for words in told]


def frame(page, place, y=0.5, x=0.5):
    """Where on the screen a part of a frame is."""
    canvas = page.locator(".dvfl-frame canvas").nth(place)
    canvas.evaluate("e => e.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=6)
    page.mouse.up()
    settle(page)


def test_a_frame_is_dragged_to_another_place(page):
    drag(page, frame(page, 0), frame(page, 2))
    assert order(page) == [2, 3, 1, 4]
    assert page.evaluate(BARS) != page.evaluate(RECORDED)
    press(page, "Undo")  # the whole drag is one step
    assert order(page) == [1, 2, 3, 4]
    assert page.evaluate(BARS) == page.evaluate(RECORDED)
    page.keyboard.press("Control+Shift+z")
    settle(page)
    assert order(page) == [2, 3, 1, 4]


def test_a_frame_is_moved_by_keys_and_by_buttons(page):
    page.mouse.click(*frame(page, 0))
    for key, wanted in [
        ("]", [2, 1, 3, 4]),
        ("Alt+ArrowRight", [2, 3, 1, 4]),
        ("Alt+ArrowRight", [2, 3, 4, 1]),
        ("]", [2, 3, 4, 1]),
        ("[", [2, 3, 1, 4]),
        ("ArrowLeft", [2, 3, 1, 4]),
        ("Alt+ArrowLeft", [3, 2, 1, 4]),
    ]:
        page.keyboard.press(key)
        settle(page)
        assert order(page) == wanted, key
    press(page, "Move \u2192", "Enter")
    assert order(page) == [2, 3, 1, 4]
    press(page, "\u2190 Move")
    assert order(page) == [3, 2, 1, 4]


@pytest.mark.parametrize("key", ["", "Enter"])
def test_the_whole_film_is_arranged_undone_and_restored(page, key):
    page.mouse.click(*frame(page, 1))
    press(page, "Backwards", key)
    assert order(page) == [4, 3, 2, 1]
    backwards = page.evaluate(BARS)
    assert backwards != page.evaluate(RECORDED)
    press(page, "Freeze", key)
    assert order(page) == [3, 3, 3, 3]
    assert page.evaluate(BARS) != backwards
    press(page, "Undo", key)
    assert (order(page), page.evaluate(BARS)) == ([4, 3, 2, 1], backwards)
    press(page, "Redo", key)
    assert order(page) == [3, 3, 3, 3]
    press(page, "As recorded", key)
    assert order(page) == [1, 2, 3, 4]
    seen = set()
    for _ in range(8):
        press(page, "Shuffle", key)
        seen.add(tuple(order(page)))
        assert sorted(order(page)) == [1, 2, 3, 4]
    assert len(seen) > 2


def test_grey_is_painted_on_whole_tokens(page):
    press(page, "Paint grey")
    drag(page, frame(page, 1, 0.3, 0.3), frame(page, 1, 0.45, 0.7))
    one = [page.evaluate(GREY, place) for place in range(FRAMES)]
    assert one == [0, [8, 8, 16, 24], 0, 0]  # rows 2 and 3, columns 2 to 5
    assert page.evaluate(BARS) != page.evaluate(RECORDED)
    choose(page, "all frames")
    drag(page, frame(page, 0, 0.95, 0.95), frame(page, 0, 0.95, 0.95))
    assert page.evaluate(GREY, 3) == [28, 28, 32, 32]
    press(page, "Paint grey", "Space")
    page.mouse.click(*frame(page, 1))
    page.keyboard.press("]")  # grey in one frame goes with it, grey in all stays
    settle(page)
    assert page.evaluate(GREY, 2) == [8, 8, 32, 32]
    assert page.evaluate(GREY, 1) == [28, 28, 32, 32]
    for _ in range(3):
        page.keyboard.press("Control+z")
    settle(page)
    assert page.evaluate(GREY, 3) == 0


@pytest.mark.parametrize("key", [True, False])
def test_the_chosen_token_is_greyed_without_dragging(page, key):
    choose(page, "this frame")
    page.mouse.click(*frame(page, 2, 0.1, 0.1))
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("g") if key else press(page, "Grey this token")
    settle(page)
    assert page.evaluate(GREY, 2) == [4, 4, 8, 8]
    assert page.evaluate(GREY, 1) == 0


def test_the_temperature_makes_answers_softer(page):
    before = page.evaluate(BARS)
    slider = page.get_by_label("Temperature")
    for _ in range(40):
        slider.press("ArrowRight")
    settle(page)
    widths = [float(w.rstrip("%")) for w in page.evaluate(BARS)]
    assert max(widths) < max(float(w.rstrip("%")) for w in before)
    assert page.evaluate(BARS) == page.evaluate(RECORDED)
    slider.press("End")
    settle(page)
    assert slider.get_attribute("aria-valuetext") == "16.00"
    press(page, "T = 1")
    assert page.evaluate(BARS) == before


def test_a_token_keeps_its_place_in_the_picture(page):
    token = page.locator("[data-part=options] .dvfl-token output")
    page.mouse.click(*frame(page, 3, 0.7, 0.4))
    settle(page)
    assert token.inner_text() == "row 6, column 4 of 8 x 8"
    choose(page, "stage 1, block 1", "ArrowRight")
    choose(page, "stage 2, block 1", "ArrowRight")
    assert token.inner_text() == "row 2, column 1 of 2 x 2"
    choose(page, "student", "ArrowRight")
    assert page.get_by_role("radio", name="stage 3, block 1").is_checked()
    choose(page, "stage 1, block 1, 8 by 8")
    assert token.inner_text() == "row 6, column 4 of 8 x 8"
    for name, told in [
        ("left", "6, column 3"),
        ("up", "5, column 3"),
        ("right", "5, column 4"),
        ("down", "6, column 4"),
    ]:
        press(page, f"token {name}")
        assert told in token.inner_text()


WAYS = [
    ("length", "distance from rest"),
    ("one for all frames", "each frame its own"),
    ("signed", "absolute"),
    ("all", "1"),
    ("now", "before"),
    ("before", "difference"),
]


@pytest.mark.parametrize(("first", "second"), WAYS)
def test_every_way_of_drawing_changes_the_maps(page, first, second):
    def radio(name):
        return page.get_by_role("radio", name=name, exact=True)

    assert radio("difference").is_disabled()
    page.mouse.click(*frame(page, 1))
    press(page, "Grey this token")
    radio(first).check(force=True)
    settle(page)
    before = page.evaluate(LOOK, "layer")
    radio(first).press("ArrowRight")
    settle(page)
    assert radio(second).is_checked()
    assert page.evaluate(LOOK, "layer") != before
    if "before" in (first, second):
        press(page, "As recorded")
        assert radio("now").is_checked()
    else:
        radio(first).check(force=True)


def test_the_frame_shines_through_the_maps(page):
    before = page.evaluate(LOOK, "layer")
    page.get_by_label("Map over frame").press("Home")
    settle(page)
    assert page.evaluate(LOOK, "layer") != before
    page.get_by_label("Map over frame").press("End")


def test_it_plays_and_pauses(page):
    page.mouse.click(*frame(page, 0))
    press(page, "Play")
    page.wait_for_selector(".dvfl-frame:nth-child(3)[aria-selected=true]")
    press(page, "Pause", "Space")
    assert page.get_by_role("button", name="Play", exact=True).is_visible()


def test_the_theme_is_chosen_or_that_of_the_page(opened, path):
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 27)"
    for scheme in ("light", "dark"):
        with on_page(path, beside=opened, color_scheme=scheme) as page:
            assert page.evaluate(COLOUR) == (light if scheme == "light" else dark)
            choose(page, "dark")
            assert page.evaluate(COLOUR) == dark
            choose(page, "dark", "ArrowLeft")
            assert page.evaluate(COLOUR) == light
            # As JupyterLab and Colab say it.
            choose(page, "auto")
            page.evaluate("document.body.dataset.jpThemeLight = 'true'")
            assert page.evaluate(COLOUR) == light
            page.evaluate("document.body.dataset.jpThemeLight = 'false'")
            assert page.evaluate(COLOUR) == dark
            assert page.faults == []


def test_two_explorers_do_not_disturb_each_other(opened, path, tmp_path):
    start, render, end = path.read_text().rpartition("\nrender({ model, el")
    script = render + end.replace("</script>", SECOND + "</script>")
    (tmp_path / "two.html").write_text(start + script)
    with on_page(tmp_path / "two.html", beside=opened) as page:
        page.wait_for_selector("main + main .dvfl-frame, main ~ main .dvfl-frame")
        page.wait_for_timeout(1000)
        one, two = page.locator(".dvfl").all()
        untouched = two.inner_html()
        page.mouse.click(*frame(page, 1))
        for key in ("]", "g"):
            page.keyboard.press(key)
        one.get_by_role("radio", name="teacher").first.check(force=True)
        one.get_by_role("radio", name="distance from rest").check(force=True)
        page.wait_for_timeout(1000)
        settle(page)
        assert two.inner_html() == untouched
        assert two.get_by_role("radio", name="student").first.is_checked()
        two.get_by_role("button", name="Backwards").click()
        settle(page)
        assert order(page) == [1, 3, 2, 4, 4, 3, 2, 1]
        assert page.faults == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
def test_it_fits_without_scrolling_sideways(opened, tmp_path, width):
    names = ("jump", "CleanAndJerkOfAVeryLongName", "sit")
    record = small_record((9, 32, 48), classes=names, title="clip_" * 30, label="sit")
    page_path = write_page(record, tmp_path / "p.html", small_networks())
    with on_page(page_path, width=width, beside=opened) as page:
        press(page, "Backwards")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        right = "Math.max(...[...document.querySelectorAll('.dvfl *')].map(e =>"
        right += " e.getBoundingClientRect().right))"
        assert page.evaluate(right) <= width + 1
        assert page.faults == []


def test_a_network_that_cannot_be_asked_says_so(opened, tmp_path):
    path = write_page(small_record((FRAMES, 32, 32)), tmp_path / "p.html")
    with on_page(path, beside=opened) as page:
        press(page, "Backwards")
        told = page.locator(".dvfl-answers thead small").all_inner_texts()
        assert len(told) == 2 and all("a notebook can ask it" in t for t in told)
        assert {width.rstrip("%px") for width in page.evaluate(BARS)} == {"0"}
        assert page.faults == []


@pytest.mark.parametrize("tour", [False, True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_readers_out(opened, path, scheme, tour):
    package = "axe_playwright_python"
    pytest.importorskip(package, reason="axe-playwright-python is not installed")
    axe = resources.files(package).joinpath("axe.min.js").read_text("utf-8")
    with on_page(path, beside=opened, color_scheme=scheme) as page:
        press(page, "Backwards")
        if tour:
            press(page, "Guided tour")
            press(page, "Do it, and show the answer")
        page.evaluate(axe + "; 0")
        found = page.evaluate("axe.run()")
        assert len(found["passes"]) > 20
        grave = ("moderate", "serious", "critical")
        assert [v["id"] for v in found["violations"] if v["impact"] in grave] == []


@pytest.mark.parametrize("theme", ["auto", "dark"])
def test_it_is_printed_whole(opened, path, theme):
    """Dark ink on white, no tools, nothing wider or higher than its place."""
    with on_page(path, beside=opened, color_scheme="dark", width=700) as page:
        choose(page, theme)
        press(page, "Guided tour")
        page.emulate_media(media="print")
        assert not page.locator(".dvfl-tour").is_visible()
        assert page.evaluate(COLOUR) == "rgb(255, 255, 255)"
        assert page.get_by_role("heading", level=2).count() == 6
        assert page.locator(".dvfl-seen canvas:visible").count() > 30
        assert page.locator(TOOLS).count() == 0
        assert page.evaluate(CUT) == []
        assert page.faults == []


def test_a_finger_drags_a_frame_and_scrolls_the_page(opened, path):
    phone = {"width": 390, "has_touch": True, "is_mobile": True}
    with on_page(path, beside=opened, **phone) as page:
        session = page.context.new_cdp_session(page)

        def finger(start, end):
            steps = [
                [a + n * (b - a) / 8 for a, b in zip(start, end, strict=True)]
                for n in range(9)
            ]
            for kind, part in (("Start", steps[:1]), ("Move", steps[1:])):
                for x, y in part:
                    touch = {"type": f"touch{kind}", "touchPoints": [{"x": x, "y": y}]}
                    session.send("Input.dispatchTouchEvent", touch)
            end = {"type": "touchEnd", "touchPoints": []}
            session.send("Input.dispatchTouchEvent", end)
            settle(page)

        finger(frame(page, 0), frame(page, 2))
        assert order(page) == [2, 3, 1, 4]
        top, (x, y) = page.evaluate("scrollY"), frame(page, 1)
        finger((x, y), (x, y - 200))
        assert page.evaluate("scrollY") > top + 100
        assert order(page) == [2, 3, 1, 4]
        assert page.faults == []


def test_a_sentence_tells_what_is_shown(page):
    page.mouse.click(*frame(page, 0))
    page.keyboard.press("]")
    told = page.locator("[aria-live=polite]").first
    words = "place 2 with frame 1; token in row 5, column 5."
    page.get_by_text(words).wait_for(state="attached")
    assert re.search(r"student: \w+ [\d.]+\s% \u2192 ", told.text_content())


def test_times_are_measured(page, capsys):
    """No time is asserted; the numbers are printed (``-s`` shows them)."""

    page.evaluate(WATCH)
    page.mouse.click(*frame(page, 0))
    for key in ["ArrowRight", "Shift+ArrowRight", "ArrowLeft", "Shift+ArrowLeft"] * 10:
        page.keyboard.press(key)
        page.wait_for_timeout(40)
    moves, answers = page.evaluate("window.took"), []
    for _ in range(20):
        press(page, "As recorded")
        page.mouse.click(*frame(page, 0))
        page.keyboard.press("]")
        settle(page)
        told = page.locator(".dvfl-answers thead small").first.inner_text()
        answers.append(int(re.search(r"\d+", told)[0]))
    assert len(moves) == 40
    with capsys.disabled():
        for name, times in (("move", sorted(moves)), ("answer", sorted(answers))):
            p95 = times[int(0.95 * len(times))]
            print(f"\n{name}: {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")
