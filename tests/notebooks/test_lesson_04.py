"""What lesson 04 says of its pictures is what its cells printed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dvfl_lib.capture import answer_to
from dvfl_lib.capture.interventions import branch_off, masked, only_in
from dvfl_lib.explorer import record_clip
from dvfl_lib.explorer.record import rank_correlation, softened
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.trained import ASSETS, MANIFEST
from dvfl_lib.standins.scenes import PAIRS
from dvfl_lib.video.transforms import normalise
from lesson_code import Outputs

ROOT = Path(__file__).resolve().parents[2]
printed = Outputs("04_seeing_modulators").printed


def numbers(line: str) -> list[float]:
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", line)]


def rows(text: str) -> dict[str, list[float]]:
    """The numbers at the end of each line, by the words before them."""
    found = [
        re.match(r"(.*?)[:\s]+((?:[-+]?\d+\.\d+\s*)+)$", t) for t in text.split("\n")
    ]
    return {m[1].strip(): numbers(m[2]) for m in found if m}


def test_the_accuracies_are_those_of_the_manifest_and_the_teacher_is_the_worst():
    entries = json.loads((ROOT / "data/assets" / MANIFEST).read_text("utf-8"))["files"]
    wanted = [100 * entries[file]["test"]["top1"] for file in ASSETS.values()]
    lines = printed("networks[name], story").strip().splitlines()[:3]
    assert [numbers(line)[0] for line in lines] == pytest.approx(wanted, abs=0.05)
    assert min(wanted) == wanted[list(ASSETS).index("teacher")]


def test_the_trace_proves_itself():
    assert "largest error is 0.0" in printed("trace.proof(student)")


def test_length_and_grad_cam_agree_in_the_last_stage_only():
    agree = numbers(printed("rank_correlation(seen.maps.at(*place).product, cam)"))
    assert agree[-1] > 0.5 and max(agree[:-1]) < 0.2


def test_space_lives_on_its_first_level_and_time_does_not():
    lines = printed("share = 100 * sizes / sizes.sum()").strip().splitlines()
    first = {t[:13].strip(): int(re.search(r"\['(\d+) %", t)[1]) for t in lines}
    assert all(v > 70 for k, v in first.items() if "space" in k)
    assert first["stage 3 time"] < 50 and first["stage 2 time"] < 50


def test_a_modulator_at_rest_is_all_ones():
    lines = printed("rest = layer.h_temporal.bias.detach()").strip().splitlines()
    for line, channels in zip(lines, (16, 32, 64), strict=True):
        mean, length = numbers(line)
        assert mean == 1.0 and length == pytest.approx(channels**0.5, abs=0.1)


def test_a_frozen_clip_keeps_its_temporal_modulator_from_rest():
    lines = printed("mean distance: moving").strip().splitlines()
    pairs = [numbers(line) for line in lines]
    assert all(frozen >= moving for moving, frozen in pairs[:2])
    assert 10 < pairs[2][1] < pairs[2][0]


def test_one_block_is_a_cross_and_two_are_everything():
    lines = printed("back to the input of stage").strip().splitlines()
    found = [re.match(r"stage (\d), back .* (\d): (\d+) of (\d+)", t) for t in lines]
    assert len(found) == 6
    for m in found:
        own, side = m[1] == m[2], 16 // 2 ** (int(m[2]) - 1)
        assert int(m[4]) == 8 * side * side
        assert int(m[3]) == (side * side + 7 if own else int(m[4]))


def test_backwards_every_network_names_the_reversal():
    pairs = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
    lines = printed("backwards.logits.argmax()").strip().splitlines()
    assert len(lines) == 4
    for line in lines:
        action, said = re.match(r"(\w+) +backwards: (.*)", line).groups()
        assert said.split(", ") == [pairs[action]] * 3


def test_interventions_say_what_the_text_says():
    table = rows(printed("changes = ["))
    assert max(table["temporal branch off"]) < 0.1
    lost = {
        name: [on - off for on, off in zip(table["nothing"], values, strict=True)]
        for name, values in table.items()
    }
    assert all(cost < 0.2 for cost in lost["spatial branch off"])
    assert all(cost < 0.1 for cost in lost["spatial level 1 off"])
    assert all(0.25 < cost < 0.35 for cost in lost["temporal level 2 off"][:2])
    lines = printed("share = 100 * sizes / sizes.sum()").strip().splitlines()
    shares = {t[:13].strip(): re.findall(r"(\d+) %", t) for t in lines}
    first = [int(v[0]) for k, v in shares.items() if "space" in k]
    second = [int(v[1]) for k, v in shares.items() if "time" in k]
    assert (min(first), max(first)) == (73, 83)
    assert (min(second), max(second)) == (14, 43)
    assert "same answer both ways: True" in printed("torch.allclose(forwards")


def test_all_answers_but_one_are_right():
    lines = printed("share.argmax()").strip().splitlines()
    wrong = [t for t in lines if t.split()[0] != t.split()[3]]
    assert len(lines) == 12 and len(wrong) == 1
    assert wrong[0].split()[:4] == ["Approaching", "student", "says", "Swelling"]


def test_distillation_did_not_bring_the_maps_together():
    table = rows(printed("pairs = [("))
    student, baseline, both = (
        table[f"{pair}: stages 1 to 3"]
        for pair in (
            "student and teacher",
            "baseline and teacher",
            "student and baseline",
        )
    )
    assert all(s < b for s, b in zip(student[:2], baseline[:2], strict=True))
    assert student[2] > baseline[2]
    assert all(b > max(s, t) for s, t, b in zip(student, baseline, both, strict=True))


@pytest.fixture(scope="module")
def tried():
    """What the exercises ask of the student, for the four clips of the lesson."""
    model, story = trained_network("student")
    found = {}
    for name in ("Rising", "Appearing", "Approaching", "Swelling"):
        told = {"title": name, "label": name, "grid": 0}
        clip = lesson_clip(name)
        record = record_clip(clip, {"student": model}, story["classes"], **told)
        found[name] = (record, record.network("student"), model)
    return found


def share_of(logits, record) -> float:
    return float(softened(logits, 1.0)[record.classes.index(record.label)])


@pytest.mark.nightly
def test_the_answers_to_the_exercises_are_what_comes_out(tried):
    agree = {
        name: rank_correlation(entry.maps.at(3).product, entry.cams[2])
        for name, (_, entry, _) in tried.items()
    }
    assert agree["Swelling"] == pytest.approx(0.5, abs=0.05)
    assert agree["Rising"] > 0.8 and max(list(agree.values())[1:]) < 0.55
    costs, by_cam, by_length = [], 0, 0
    for record, entry, model in tried.values():
        clip = normalise(lesson_clip(record.title))[None]
        masks = [masked(row, column) for row in range(4) for column in range(4)]
        left = [share_of(answer_to(model, clip, m)[0], record) for m in masks]
        assert len(left) == 16
        worst = int(np.argmin(left))
        costs.append(share_of(entry.logits, record) - left[worst])
        by_cam += worst == entry.cams[2].mean(axis=0).argmax()
        by_length += worst == entry.maps.at(3).product.mean(axis=0).argmax()
    assert (by_cam, by_length) == (1, 0)
    assert sum(cost < 0.1 for cost in costs) == 3


@pytest.mark.nightly
def test_the_last_block_needs_the_order(tried):
    record, entry, model = tried["Rising"]
    assert share_of(entry.logits, record) == pytest.approx(0.90, abs=0.005)
    clip, left = normalise(lesson_clip("Rising"))[None], []
    for stage in (1, 2, 3):
        change = only_in(branch_off("time"), stage, 1)
        left.append(share_of(answer_to(model, clip, change)[0], record))
    assert left[:2] == pytest.approx([0.90, 0.90], abs=0.01)
    assert left[2] == pytest.approx(0.18, abs=0.005)
