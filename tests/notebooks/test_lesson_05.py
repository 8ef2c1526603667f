"""What lesson 05 says of its pictures and numbers is what its cells printed."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from dvfl_lib.evaluation.metrics import wilson_interval
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.recipes import DataRecipe, recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.standins import StandinSize, clip_frames
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.video.sampling import dense_indices, segment_indices
from dvfl_lib.video.transforms import evaluation_crops, training_transform
from lesson_code import Outputs, run_cells

NAME = "05_video_data"
LESSON = Outputs(NAME)
cell, printed, WORDS = LESSON.cell, LESSON.printed, LESSON.words


def words_of_figure(start: str) -> str:
    """The description of the figure that this cell shows."""
    (output,) = [o for o in cell(start)["outputs"] if "data" in o]
    return "".join(output["data"]["text/plain"])


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]


def test_a_video_in_two_seconds_of_numbers():
    told = printed("everything = video.read")
    assert "48 frames, 320 x 240, 25.0 fps" in told and "11 million" in told


def test_each_way_of_looking_fails_where_the_other_works():
    long, fast = printed("right, of 24 stand-in videos").strip().splitlines()[1:]
    (long_s, long_d), (fast_s, fast_d) = numbers(long), numbers(fast)
    assert min(long_s, fast_d) >= 22 and max(long_d, fast_s) <= 4  # guessing: 2


def test_segments_meet_a_fast_action_once_at_most_wherever_it_is():
    segments, dense = printed("for way, counts in caught.items()").strip().splitlines()
    assert "at most 1 of 8" in segments and "at most 8 of 8" in dense
    blind, ten = printed("one dense clip sees nothing").strip().splitlines()
    assert numbers(blind)[0] > 50  # "it mostly does not"
    starts = dict(map(numbers, printed("dense clip at the action").splitlines()[1:]))
    assert sum(starts.values()) == 227 and "169 of 227 starts" in WORDS
    assert starts[0] == 169 and starts[8] == 2 and "from 2 starts only" in WORDS
    assert sum(starts.values()) - 169 - 2 == 56 and "From 56 it sees a part" in WORDS
    assert numbers(ten)[0] / numbers(ten)[1] > 0.9  # "nearly all of the video"


def test_frames_drawn_one_by_one_shake_and_blind_the_student():
    lines = printed("frame to frame").strip().splitlines()[1:]
    plain, once, each = (numbers(line)[0] for line in lines)
    assert abs(plain - once) < 1 and each > 3 * max(plain, once)
    lines = printed("(answers(batch) == labels)").strip().splitlines()
    plain, once, each = (numbers(line)[0] for line in lines)
    assert plain > once > each and once - each > 2 * (plain - once)
    assert (plain, plain - once, plain - each) == (77, 7, 35)
    assert "loses 7 right answers of 77" in WORDS and "it loses 35, almost" in WORDS
    assert "(77 become 42)" in WORDS and each > 3 * 84 / 12


def test_the_milder_recipe_is_that_of_the_student():
    _, story = trained_network("student")
    mild = recipe_for("demo").augment
    assert replace(mild, **tuples(story["recipe"]["augment"])) == mild
    lines = printed("authors = getattr").strip().splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:2] == ["crop_area", "crop_ratio"] and len(names) == 6


def tuples(values: dict) -> dict:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def test_normalised_numbers_lie_around_zero_and_come_back():
    lines = printed("dots = normalise(frame)").strip().splitlines()
    black, white = ([*map(float, re.findall(r"-?\d\.\d+", w))] for w in lines[1:3])
    assert max(black) < 0 < min(white) and lines[3] == "and back: True"


def test_mixed_labels_are_the_shares_of_the_pixels():
    lines = printed("mixed, soft = mix_clips").strip().splitlines()
    for line in lines:
        assert sum(numbers(line)) == 100


def test_the_flip_changes_the_label_where_names_are_known():
    unknown, known = printed("flipped, label = labelled").strip().splitlines()
    assert unknown.endswith("from right to left")
    assert known.endswith("from left to right")


def test_clips_are_functions_of_their_keys():
    assert printed("alone = made(keys").startswith("16 of 16 clips are equal")
    assert printed("as_first, as_second").strip().endswith("False")


def test_five_data_sets_in_three_containers():
    lines = printed("measured on the stand-ins").strip().splitlines()[1:]
    kinds = {line.split()[0]: line.split()[5] for line in lines}
    assert kinds == {
        "ucf50": ".avi",
        "ucf101": ".avi",
        "hmdb51": ".avi",
        "ssv2": ".webm",
        "kinetics400": ".mp4",
    }
    assert all("12 classes" in line for line in lines)
    videos = {line.split()[0]: int(line.split()[3]) for line in lines}
    assert videos["ucf50"] == 13 and "12 classes have 13 test videos" in WORDS
    assert "v_Appearing_g01_c01.avi   and 300 more" in printed("folder_sketch(folder")
    missing = printed("join(told)").strip().splitlines()
    assert len(missing) == 1 and missing[0].startswith("kinetics400: ")
    damaged = printed("open_video(sample.path).close()").strip().splitlines()
    assert len(damaged) == 1


def test_five_data_sets_show_one_drawing_under_four_names():
    lines = printed("called = next(c for c").strip().splitlines()
    apart = {line.split()[0]: numbers(line.partition(" ")[2])[0] for line in lines}
    assert [apart[name] for name in ("ucf50", "ucf101", "hmdb51")] == [0, 0, 0]
    assert all(1.5 < apart[name] < 2.5 for name in ("ssv2", "kinetics400"))
    assert len({line.partition("levels")[2].strip() for line in lines}) == 4


def test_published_and_measured_never_share_a_table():
    (output,) = cell("Markdown(benchmarks_markdown())")["outputs"]
    table = "".join(output["data"]["text/markdown"])
    assert "13,320" in table and "stand-in" not in table
    assert "220,847" in table and 220_847 / 6681 > 30  # "more than thirty times"


def test_few_key_frames_make_a_small_file_that_is_decoded_nearly_whole():
    lines = printed("key frame every   size").strip().splitlines()[1:]
    rows = [numbers(line.replace("clip of 8", "")) for line in lines]
    every, *fewer = rows
    assert every == [1, 1.0, 11, 29]
    assert all(size < 0.35 and min(of) >= 38 for _, size, *of in fewer)
    assert fewer[0][2:] == fewer[1][2:]  # "12 and 48 equal"


def test_few_decoded_frames_take_less_time_and_kept_ones_least():
    every, some, few = (
        numbers(line)[1] for line in printed("stand-in video of 48").splitlines()[1:]
    )
    assert every < 0.8 * min(some, few) and abs(some - few) < 0.2 * few
    file, kept = (numbers(line)[0] for line in printed('"from the cache"').splitlines())
    assert kept < file / 10  # "many times faster"


def test_the_score_of_a_leaking_cut_is_its_leak():
    alt = words_of_figure("bars[name] = (score.value")
    share = dict(re.findall(r"(clips at random|whole groups) (\d+\.\d) %", alt))
    assert float(share["clips at random"]) > 3 * 100 / 12
    told = printed('("new groups", ~known)').strip().splitlines()[1:]
    rows = {line[:30].strip(): numbers(line[30:]) for line in told}
    assert len(rows) == 5
    known, new = (rows[f"clips at random  {k} groups"] for k in ("known", "new"))
    assert known[0] / (known[0] + new[0]) > 0.9
    assert 1 / 12 < wilson_interval(*map(int, new))[1]  # no better than a guess
    low, high = wilson_interval(*map(int, rows["whole groups     new groups"]))
    assert low < 1 / 12 < high
    assert rows["80 % by name     known groups"] == [4, 12]
    assert "4 are right, where guessing would give 1" in WORDS
    assert known == [163, 462] and "163 of 462 say the same" in WORDS
    assert "80 % by name 7.4 %" in alt and "7.4 %, no more than a guess" in WORDS
    assert known[0] / known[1] == pytest.approx(1 / 3, abs=0.04)


def test_groups_on_both_sides_are_counted():
    told = printed("straddling_groups(cut)").strip().splitlines()
    assert told[0] == "stand-in for UCF101"
    random, by_name, whole = told[1:]
    assert numbers(random)[0] > 80
    assert numbers(by_name)[1:3] == [12, 12] and numbers(whole)[:2] == [0, 0]
    warning = printed('split="authors"')
    assert "shares 12 groups" in warning and "may be too high" in warning


def test_the_text_names_the_leak_of_the_real_lists_as_it_was_counted():
    for words in (
        "81 of 2,525 groups of UCF101",
        "223 of 2,630 validation clips (8.5 %)",
        "38 of 1,264 groups of UCF50, with 88 of 1,321 clips (6.7 %)",
        "87 such sources, with 301 of 1,317 clips (22.9 %)",
    ):
        assert words in WORDS
    shares = [(223, 2630, 8.5), (88, 1321, 6.7), (301, 1317, 22.9)]
    assert all(round(100 * a / b, 1) == told for a, b, told in shares)


def test_a_wrong_order_costs_two_classes_and_no_other():
    lines = printed("number}  official").strip().splitlines()
    assert [line.split()[2] for line in lines[:2]] == ["Sinking", "SinkToBack"]
    assert lines[2].endswith("True")
    official, folders = (
        numbers(line)[0]
        for line in printed("order in readings.items()").strip().splitlines()
    )
    assert official - folders == 14  # all 7 clips of either class
    assert "worst: SinkToBack" in words_of_figure("per_class_figure(scores")
    mended = printed("# now in disk order")
    assert numbers(mended)[0] == official
    swapped = printed('official_classes("kinetics400")').strip().splitlines()
    assert [int(line.split()[0]) for line in swapped] == [308, 309]


@pytest.fixture(scope="module")
def student():
    network, _ = trained_network("student")

    def right(clips: list[torch.Tensor], each: int) -> int:
        wanted = torch.arange(12).repeat_interleave(each)
        with torch.no_grad():
            return int((network(torch.stack(clips)).argmax(dim=1) == wanted).sum())

    return right


@pytest.mark.nightly
def test_the_first_try_has_the_answer_that_stands_there(student):
    assert "still 2 of 24" in WORDS and "to 16 of 24" in WORDS
    assert "60 frames, `moving[30:31]` as the held frame, 98 still" in WORDS
    frames = {"segments": segment_indices(256, 8), "dense": dense_indices(256, 8, 4)}
    looks = [
        sum(start <= n < start + 60 for n in frames["segments"]) for start in range(197)
    ]
    assert looks[98] == 2 and set(looks) == {1, 2}
    seen = {way: [] for way in frames}
    for action in ACTIONS:
        for group in (1, 2):
            size = StandinSize(min_frames=60, max_frames=60)
            moving = clip_frames(0, size, action, group, clip=1)
            still = np.repeat(moving[30:31], 98, axis=0)
            whole = np.concatenate([still, moving, still])
            for way, chosen in frames.items():
                clip = torch.from_numpy(whole[chosen]).permute(0, 3, 1, 2)
                seen[way].append(evaluation_crops(clip, 72, 64)[0])
    assert {way: student(clips, 2) for way, clips in seen.items()} == {
        "segments": 2,
        "dense": 16,
    }


@pytest.mark.nightly
def test_the_second_try_has_the_answer_that_stands_there(student):
    told = "64 of 84 are right instead of 42"
    assert told in WORDS
    assert "Without the crop it is 54, without the colours 52, without the grey 44" in (
        WORDS
    )
    frame_by_frame = run_cells(NAME, "frame_by_frame")["frame_by_frame"]
    clips = [lesson_clip(a, group=g, side=96) for a in ACTIONS for g in range(1, 8)]
    mild, data = recipe_for("demo").augment, DataRecipe(short_side=72, crop=64)
    found = []
    for change in ({"flip": 0}, {"crop_area": (1, 1)}, {"jitter": 0}, {"grayscale": 0}):
        transform, batch = training_transform(data, replace(mild, **change)), []
        for number, clip in enumerate(clips):
            with fixed_rng(0, number):
                batch.append(frame_by_frame(transform, clip))
        found.append(student(batch, 7))
    assert found == [64, 54, 52, 44]


@pytest.mark.nightly
def test_the_third_try_has_the_answer_that_stands_there():
    """On frames before they are encoded; the lesson reads them from files."""
    assert "to about a quarter (24.5 %). On clips at random about half are" in WORDS
    assert "about half are right (52.4 %)" in WORDS
    assert "it grows: from 21 points to 28" in WORDS
    size = StandinSize(groups=24, clips_per_group=2, min_frames=8, max_frames=8)
    ends, labels, groups = [], [], []
    for label, action in enumerate(ACTIONS):
        for group, clip in size.numbers:
            frames = clip_frames(0, size, action, group, clip)[[0, -1]]
            ends.append(frames.mean(axis=(1, 2)).ravel())  # (6,)
            labels.append(label)
            groups.append(group)
    six, labels = torch.tensor(np.array(ends)), torch.tensor(labels)
    with fixed_rng("lesson 05, split"):
        parts = {"random": torch.randperm(576) % 5, "groups": torch.tensor(groups) % 5}
    share = {}
    for name, part in parts.items():
        apart = part[:, None] == part[None]  # a clip is not compared with its own part
        nearest = torch.cdist(six, six).masked_fill(apart, torch.inf).argmin(dim=1)
        share[name] = float((labels[nearest] == labels).float().mean())
    assert share["groups"] == pytest.approx(0.25, abs=0.03)
    assert share["random"] == pytest.approx(0.5, abs=0.06)
