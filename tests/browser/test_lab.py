"""Lesson 04 in JupyterLab, in a real browser: its two explorers beside a kernel."""

import pytest
import torch

from browser.driving import CHROMIUM, in_lab
from browser.test_shell import drag, frame, order
from dvfl_lib.capture import answer_to, dependency
from dvfl_lib.capture.interventions import branch_off, level_off, only_in
from dvfl_lib.explorer import record_video
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.video.transforms import normalise
from explorer.test_recording import write_video

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
NETWORKS = ("student", "baseline", "teacher")
ERROR = "[data-mime-type='application/vnd.jupyter.error']"
# All that a shortcut of the notebook could change.
NOTEBOOK = """() => { const {content} = window.jupyterapp.shell.currentWidget;
    return [content.mode, content.activeCellIndex, content.widgets.map(({model}) => [
        model.type, model.sharedModel.source, model.sharedModel.execution_count])]; }"""
# They cut, insert, copy, paste, merge, retype, move, run and restart in a notebook.
SHORTCUTS = "x a b c v d d z y m 1 l r o j k i i 0 0 Escape Enter Shift+m Delete"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The lesson, run to its end; fails on any error of the page."""
    with in_lab("04_seeing_modulators.ipynb", tmp_path_factory.mktemp("lab")) as page:
        page.wait_for_selector(f".dvfl-answers, {ERROR}")
        yield page
        assert page.faults == []


@pytest.fixture
def both(page):
    """The lesson's explorers as recorded; the second one has the student alone."""
    for explorer in page.locator(".dvfl").all():
        if explorer.locator(".dvfl-tour").is_visible():
            button(explorer, "End the tour").click()
        for name in ("As recorded", "T = 1"):
            button(explorer, name).click(force=True)
    return page.locator(".dvfl").all()


def button(explorer, name):
    return explorer.get_by_role("button", name=name, exact=True).first


def answers(explorer):
    """Per cent of each class (row) and network (column), once all have answered."""
    explorer.page.wait_for_timeout(200)
    explorer.locator(".dvfl-busy").first.wait_for(state="detached")
    told = explorer.locator(".dvfl-share span").all_text_contents()
    return torch.tensor([float(text.split()[0]) for text in told]).reshape(12, -1)


def expected(order=range(8), grey=None, changes=(), networks=NETWORKS):
    """The same from PyTorch. ``grey``: the place in which the middle token is grey."""
    clip = normalise(lesson_clip("Rising"))[None][:, list(order)].clone()
    if grey is not None:
        clip[0, grey, :, 32:36, 32:36] = 0.0
    said = [answer_to(trained_network(n)[0], clip, *changes)[0] for n in networks]
    return 100 * torch.stack(said).softmax(dim=1).T


def alike(explorer, wanted):
    return torch.allclose(answers(explorer), wanted, atol=0.06)  # told to 0.1


def test_the_lesson_runs_and_both_explorers_answer(page):
    assert page.locator(ERROR).all_inner_texts() == []
    steps = page.locator(".dvfl-tour h2").all_inner_texts()
    assert [step[:4] for step in steps] == ["1 of", "6 of"]
    one, two = page.locator(".dvfl").all()
    assert alike(one, expected()) and alike(two, expected(networks=["student"]))


def test_what_the_mouse_changes_is_answered_as_by_pytorch(page, both):
    one = both[0]
    drag(page, frame(one, 0), frame(one, 2))
    assert order(one) == [2, 3, 1, 4, 5, 6, 7, 8]
    moved = [1, 2, 0, 3, 4, 5, 6, 7]
    assert alike(one, expected(moved))
    button(one, "Grey this token").click()
    assert alike(one, expected(moved, 2))
    one.get_by_role("switch", name="temporal branch").click()
    changes = [only_in(branch_off("time"), 1, 1)]
    assert alike(one, expected(moved, 2, changes))
    one.get_by_role("radio", name="teacher").first.check(force=True)
    one.get_by_label("Temperature").click(position={"x": 5, "y": 5})
    assert answers(one).max() > expected(moved, 2, changes).max() + 2
    one.locator("[data-part=layer] canvas").last.click(position={"x": 2, "y": 2})
    one.get_by_text("row 1, column 1 of 16 x 16").wait_for()


def test_keys_reach_the_explorer_and_not_the_notebook(page, both):
    one = both[0]
    page.mouse.click(*frame(one, 1))
    before = page.evaluate(NOTEBOOK)
    for key in ("]", "g", "ArrowLeft", "Shift+ArrowUp"):
        page.keyboard.press(key)
    moved = [0, 2, 1, 3, 4, 5, 6, 7]
    assert alike(one, expected(moved, 2))
    one.get_by_text("row 8, column 9 of 16 x 16").wait_for()
    one.get_by_role("switch", name="temporal level 1").press("Space")
    changes = [only_in(level_off("time", 1), 1, 1)]
    assert alike(one, expected(moved, 2, changes))
    one.get_by_role("radio", name="student").first.press("ArrowRight")
    assert one.get_by_role("radio", name="baseline").first.is_checked()
    one.get_by_label("Temperature").press("Home")
    assert answers(one).max() > 99
    button(one, "Guided tour").press("Enter")
    for part in (".dvfl-map canvas", "li", "h2", "[role=switch]", "button", "input"):
        one.locator(f"{part}:visible").first.focus()
        for key in SHORTCUTS.split():
            page.keyboard.press(key)
        assert page.evaluate(NOTEBOOK) == before, part


def test_two_explorers_live_side_by_side(page, both):
    one, two = both
    page.mouse.click(*frame(one, 0))
    page.keyboard.press("g")
    button(two, "Backwards").click()
    assert alike(two, expected(range(7, -1, -1), networks=["student"]))
    assert order(one) == list(range(1, 9)) and order(two) == list(range(8, 0, -1))
    assert alike(one, expected(grey=0))


def test_networks_and_blocks_stay_in_sight(both):
    top = both[0].locator("[data-part=controls]").bounding_box
    both[0].locator("[data-part=film]").evaluate("e => e.scrollIntoView()")
    first = top()["y"]
    both[0].locator("[data-part=beside]").evaluate("e => e.scrollIntoView()")
    assert 0 <= top()["y"] <= first + 1


def test_the_kernel_measures_a_token(page, both):
    one = both[0]
    one.get_by_role("radio", name="student").first.check(force=True)
    page.mouse.click(*frame(one, 3))
    page.keyboard.press("Shift+ArrowLeft")
    one.get_by_text("This token was not measured").wait_for()
    button(one, "Measure this token").click()
    one.get_by_text("Measured for this token (frame 4, row 9, column 8)").wait_for()
    clip = normalise(lesson_clip("Rising"))[None]
    found = dependency(trained_network("student")[0], clip, 1, 1, [(3, 8, 7)])
    count = int((found.sizes[0][0] > 0).sum())
    assert f"{count} of 2,048 tokens" in one.locator("[data-part=reach]").inner_text()


def test_a_video_of_one_s_own_is_recorded_and_shown(both, tmp_path):
    one, two = both
    video = write_video(tmp_path / "mine.mp4", 20, 96, 128)
    two.get_by_label("Your own video").set_input_files(video)
    two.get_by_role("heading", name="mine.mp4").wait_for()
    student, story = trained_network("student")
    size = {"frames": 8, "crop": 64, "short_side": 72, "grid": 0}
    record = record_video(video, {"student": student}, story["classes"], **size)
    logits = torch.from_numpy(record.networks[0].logits)
    assert alike(two, 100 * logits.softmax(dim=0)[:, None])
    assert order(two) == list(range(1, 9)) and alike(one, expected())
