"""Lesson 00 tells what is so: its table, its commands, and its story about time."""

import ast
import json
import re
from pathlib import Path

import pytest
import torch

from dvfl_lib.capture import capture
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.tables import lesson_table
from dvfl_lib.recipes import PROFILES
from dvfl_lib.standins import standin_pairs
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.video.transforms import normalise
from lesson_code import Played, run_cells, statements

ROOT = Path(__file__).resolve().parents[2]
LESSON = "00_start_here"
CELLS = json.loads((ROOT / "notebooks" / f"{LESSON}.ipynb").read_text("utf-8"))["cells"]


def test_the_table_is_that_of_the_lessons_that_are_there():
    """Minutes included: lesson 00 is executed after all others."""
    outputs = [o["data"] for c in CELLS for o in c.get("outputs", []) if "data" in o]
    (shown,) = [d["text/markdown"] for d in outputs if "text/markdown" in d]
    old = "the table is old; execute 00 last: make notebooks LESSONS=notebooks/00*"
    assert "".join(shown).strip() == lesson_table(ROOT, links_from="").strip(), old


def test_the_commands_of_the_lesson_exist():
    text = "\n".join("".join(c["source"]) for c in CELLS if c["cell_type"] != "code")
    (command,) = re.findall(r"^papermill (\S+) \S+ -p profile (\S+)$", text, re.M)
    assert (ROOT / command[0]).is_file() and command[1] in PROFILES
    for target in re.findall(r"^make (\S+)$", text, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text("utf-8")


def test_the_clip_of_the_story_turns_around():
    """Both thoughts of the network become their reversal; a frozen clip is neither."""
    model, _ = trained_network("student")
    clip = lesson_clip("Approaching", group=6)

    def thoughts(clip: torch.Tensor) -> list[str]:
        with torch.no_grad():
            logits = model(normalise(clip)[None])[0]
        return [ACTIONS[place] for place in logits.topk(2).indices]

    assert thoughts(clip) == ["Approaching", "Swelling"]
    assert thoughts(clip.flip(0)) == ["Receding", "Shrinking"]
    still = set(thoughts(clip[4:5].expand(8, -1, -1, -1)))
    pairs = [{ACTIONS[a], ACTIONS[b]} for a, b in standin_pairs(ACTIONS)]
    assert still in pairs  # "each other's reversal"


def test_guess_prints_the_answers_of_the_network(capsys):
    space = run_cells(LESSON, "guess")
    space["model"], space["about"] = trained_network("student")
    clip = lesson_clip("Rising", group=2)
    space["guess"](clip, count=12)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    with torch.no_grad():
        shares = space["model"](normalise(clip)[None])[0].softmax(0)
    assert [line[0] for line in printed] == [
        ACTIONS[place] for place in shares.argsort(descending=True)
    ]
    assert sum(int(line[1]) for line in printed) == pytest.approx(100, abs=6)


@pytest.mark.parametrize("action", ["Approaching", "Sinking", "Appearing"])
def test_playing_backwards_changes_the_temporal_modulator_of_stage_1_alone(action):
    """A frozen clip is the control: unchanged where no end of the clip is seen."""
    space = run_cells(LESSON, "change", "modulator")
    space["model"], _ = trained_network("student")
    clip = lesson_clip(action, group=6)
    frozen = clip[4:5].expand(8, -1, -1, -1)
    moving, control = (space["change"]("m_time", shown) for shown in (clip, frozen))
    assert moving.shape == control.shape == (8, 16, 16)
    for shown in (clip, frozen):
        assert space["change"]("m_space", shown).max() < 1e-4
    assert moving[3:5].max() > 0.3
    assert control[3:5].max() < 1e-4 and control[[0, 7]].max() > 0.3


def test_the_temporal_modulator_is_long_on_a_frozen_clip_too():
    """What the lesson warns of: its length is no detector of motion."""
    space = run_cells(LESSON, "above_smallest")
    model, _ = trained_network("student")
    clip = lesson_clip("Approaching", group=6)
    highest = []
    for shown in (clip, clip[4:5].expand(8, -1, -1, -1)):
        lengths = capture(model, normalise(shown)[None]).at(1).norms("m_time")
        maps = torch.stack(space["above_smallest"](lengths))
        assert maps.min() == 0 and maps.shape == (8, 16, 16)
        highest.append(float(maps.max()))
    assert highest[1] > 0.8 * highest[0]


def test_the_shuffled_order_leans_to_neither_direction():
    """Of the 28 pairs of frames, about half stand in their order."""
    found = [s for s in statements(LESSON) if isinstance(s, ast.Assign)]
    (orders,) = [s.value for s in found if ast.unparse(s.targets[0]) == "orders"]
    shuffled = [
        ast.literal_eval(value)
        for key, value in zip(orders.keys, orders.values, strict=True)
        if key.value == "shuffled"
    ][0]
    assert sorted(shuffled) == list(range(8))
    turned = sum(a > b for i, a in enumerate(shuffled) for b in shuffled[i + 1 :])
    assert 13 <= turned <= 15


@pytest.mark.nightly
def test_its_tries_work_where_a_reader_comes_to_them():
    played = Played(LESSON)
    assert "Approaching   54 %" in played.run("guess(clip[[0, 1, 2, 4, 3, 5, 6, 7]])")
    other = ('"Approaching", group=6', '"Vanishing", group=3')
    told = played.on('lesson_clip("Approaching", group=6)', "measured = ", other)
    assert "Vanishing     87 %" in told and "m_space  unchanged" in told
    told = played.on("def modulator", "measured = ", ("stage=1", "stage=2"))
    assert re.findall("backwards: (.*)", told) == ["False", "False"]
