"""What lesson 05 says of its pictures and numbers is what its cells printed."""

import ast
import re
from dataclasses import replace

import pytest
import torch

from dvfl_lib.datasets.sources import SOURCES
from dvfl_lib.evaluation.metrics import wilson_interval
from dvfl_lib.lessons import trained_network
from dvfl_lib.recipes import recipe_for
from dvfl_lib.video.sampling import segment_indices
from lesson_code import Outputs, Played, run_cells

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


def test_what_is_written_in_the_lesson_is_what_the_library_does():
    """Each cell compares; none of them found a difference."""
    for code in ("segment_indices(n, 8) for n", "dense_indices(n, 8, stride=4)"):
        assert printed(code).startswith("499 of 499 lengths")
    assert printed("library = segment_indices").count("True") == 2
    assert printed("ours = (clip / 255 - mean)").count(": True") == 2
    assert printed("ours = normalise(three_crops").endswith("library: True\n")
    assert printed("two_clips = [from_segments").endswith("library: True\n")
    assert printed("straddling_groups({").count("library: True") == 4
    assert printed("list(align_classes").count("library: True") == 2


def test_the_answers_of_questions_about_places_are_right():
    space = run_cells(NAME, "from_segments", "dense", "three_crops")
    middles = space["from_segments"](48, [0.5] * 8)
    assert middles == [6 * k + 3 for k in range(8)] and "6k + 3" in WORDS
    firsts = [space["from_segments"](48, [place] * 8)[0] for place in (0.25, 0.75)]
    assert firsts == [1, 4] and "cut off 1; 0.75 x 6 = 4.5, cut off 4" in WORDS
    columns = torch.arange(298).expand(1, 3, 224, 298)
    crops = space["three_crops"](columns, 224)
    assert crops[:, 0, 0, 0, 0].tolist() == [0, 37, 74] and "at 37 and at 74" in WORDS
    assert space["dense"](256, 4)[::7] == [113, 141] and "frames 113 to 141" in WORDS


def test_marks_of_two_epochs_differ():
    first, second = printed("library = segment_indices").strip().splitlines()
    pairs = list(zip(numbers(first)[:8], numbers(second)[:8], strict=True))
    assert all(a != b for a, b in pairs)


def test_segments_meet_a_fast_action_once_at_most_wherever_it_is():
    told = printed("met[way] = Counter").strip().splitlines()
    segments, dense = (ast.literal_eval(line[9:].strip()) for line in told[1:])
    assert max(segments) == 1 and "Segments: one at most" in WORDS
    assert (
        sum(dense.values()) == 227 and dense[8] == 2 and "from 2 starts only" in WORDS
    )
    blind, ten = printed("one dense clip sees nothing").strip().splitlines()
    assert numbers(blind) == [dense[0], 227] and dense[0] > 227 / 2
    assert numbers(ten)[0] / numbers(ten)[1] > 0.9


def test_colours_alone_are_drawn_for_every_frame():
    lines = printed("count = different(transform(still))").strip().splitlines()
    counts = {line[:15].strip(): int(line.split()[-1]) for line in lines}
    flickers = {"colours, frame", "all of it"}
    assert {name for name, count in counts.items() if count == 8} == flickers
    assert all(counts[name] == 1 for name in counts.keys() - flickers)
    assert numbers(printed('"  for each:"')) == [1, 8]
    assert "jitter_per       frame" in printed("authors = recipe_for")


def test_frames_drawn_one_by_one_shake_and_blind_the_student():
    lines = printed('print("change from frame').strip().splitlines()[1:]
    plain, once, flicker, each, shrunk = (numbers(line[22:])[0] for line in lines)
    assert abs(plain - once) < 1 and shrunk < once < plain  # "a little smaller"
    assert flicker > 2 * once and each > 3 * once
    rows = [
        numbers(line[22:]) for line in printed("lost, won = int(").strip().splitlines()
    ]
    (plain, *_), (once, *_), (_, _, *flicker), (each, _, *all_of_it) = rows
    assert (plain, once, each) == (77, 70, 41) and flicker == [7, 3]
    assert all_of_it == [33, 4] and once - 33 + 4 == each
    assert "Flicker: 7 lost, 3 won" in WORDS and "everything: 33 lost, 4 won" in WORDS
    assert "keeps 41, far more than the 7" in WORDS and each < 84 / 2
    assert "keeps 41 of 70 right answers" in WORDS


def test_the_milder_recipe_is_that_of_the_student():
    _, story = trained_network("student")
    mild = recipe_for("demo").augment
    assert replace(mild, **tuples(story["recipe"]["augment"])) == mild
    assert mild.label_smoothing == 0.1 and "label smoothing of 0.1" in WORDS
    lines = printed("theirs = getattr").strip().splitlines()
    names = [line.split()[0] for line in lines]
    assert names[:3] == ["crop_area", "crop_ratio", "jitter_per"] and len(names) == 7


def tuples(values: dict) -> dict:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def test_mixed_labels_are_the_shares_of_the_pixels():
    lines = printed("mixed, soft = mix_clips").strip().splitlines()
    for line in lines:
        assert sum(numbers(line)) == 100


def test_the_flip_changes_the_label_where_names_are_known():
    unknown, known = printed("flipped, label = labelled").strip().splitlines()
    assert unknown.endswith("from right to left")
    assert known.endswith("from left to right")


def test_clips_are_functions_of_their_keys():
    told = printed("alone = made(keys").strip().splitlines()
    assert told[0] == "16 of 16 clips are equal, bit for bit"
    assert told[1].endswith(": 16")


def test_five_data_sets_are_opened_with_one_call():
    told = printed("tests = create_dataset(name")
    heads = re.findall(r"^(\w+): (\d+) test videos", told, re.M)
    assert [name for name, _ in heads] == list(SOURCES)
    assert dict(heads)["ucf50"] == "13" and '"group01" tests on 13 videos' in WORDS
    missing = [line for line in told.splitlines() if "are listed" in line]
    assert len(missing) == 1 and "84 clips are listed, 83 are there" in missing[0]
    assert "/" not in missing[0]  # no path of this machine


def test_published_and_measured_never_share_a_table():
    (output,) = cell("Markdown(benchmarks_markdown())")["outputs"]
    table = "".join(output["data"]["text/markdown"])
    assert "13,320" in table and "stand-in" not in table
    assert "220,847" in table and 220_847 / 6681 > 30  # "more than thirty times"


def test_the_score_of_a_leaking_cut_is_its_leak():
    alt = words_of_figure("bars[way] = (score.value")
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
    told = printed("straddling_groups({").strip().splitlines()
    random, by_name, whole, same = map(numbers, told)
    assert random[0] > 80 and same[0] == 80
    assert by_name[1:] == [12, 108, 12] and whole[::2] == [0, 0]
    space = run_cells(NAME, "late", "group")
    names = [f"A/v_A_g{g:02}_c{c:02}.avi" for g in range(1, 25) for c in (1, 2)]
    assert space["late"](names)[0] == "A/v_A_g20_c02.avi"
    assert "after the first clip of group 20" in WORDS
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
    official, folders = map(numbers, printed("order_name, order in").splitlines()[::2])
    assert official[0] - folders[0] == 14  # all 7 clips of either class
    assert printed("order_name, order in").count("Sinking 0, SinkToBack 0 of 7") == 1
    swapped = printed('official_classes("kinetics400")').strip().splitlines()
    assert [int(line.split()[0]) for line in swapped] == [308, 309]


def test_a_swap_does_not_tell_there_from_back_and_a_cycle_does():
    told = [line.split()[-1] for line in printed("for wished in").splitlines()]
    assert told == ["Rising", "Rising", "Rising", "Swelling"]
    lines = printed("list(align_classes").strip().splitlines()
    right = [numbers(line)[0] for line in lines if "84" in line]
    assert right[:3] == [77, 77, 77] and right[3] < 77


@pytest.fixture(scope="module")
def played():
    with torch.random.fork_rng(devices=[]):
        return Played(NAME)


@pytest.mark.nightly
def test_the_first_try_has_the_answer_that_stands_there(played):
    assert "still 2 of 24" in WORDS and "to 16 of 24" in WORDS
    slower = ("group, 30)", "group, 60)"), ("[15:16], 113", "[30:31], 98")
    played.again("def fast_video", *slower)
    played.again("found[kind, way] =")
    fast = played.again("right, of 24 stand-in").strip().splitlines()[2]
    assert numbers(fast) == [2, 16]
    looks = [
        sum(start <= n < start + 60 for n in segment_indices(256, 8))
        for start in range(197)
    ]
    assert looks[98] == 2 and set(looks) == {1, 2}
    played.again("def fast_video")


@pytest.mark.nightly
def test_the_second_try_has_the_answer_that_stands_there(played):
    assert "63 of 84 are right instead of 41" in WORDS
    assert "Without the crop it is 54, without the colours 49, without the grey 40" in (
        WORDS
    )
    right = "(answers(augmented(replace(mild, {}), frame_by_frame)) == truth).sum()"
    assert right.format("flip=0") in WORDS
    changes = "flip=0", "crop_area=(1, 1)", "jitter=0", "grayscale=0"
    found = [played.run(f"print(int({right.format(c)}))") for c in changes]
    assert [int(n) for n in found] == [63, 54, 49, 40]


@pytest.mark.nightly
def test_the_third_try_has_the_answer_that_stands_there(played):
    assert "to about a quarter (24.5 %). On clips at random about half are" in WORDS
    assert "about half are right (52.4 %)" in WORDS
    assert "it grows: from 21 points to 28" in WORDS
    ends = "ends = video.read([0, video.num_frames - 1])"
    two = (
        ("(middle,) = video.read([video.num_frames // 2])", ends),
        ("middle.float().mean(dim=(1, 2))", "ends.float().mean(dim=(2, 3)).flatten()"),
    )
    played.again("def mean_colour", *two)
    played.again("bars[way] = (score.value")
    share = {way: round(100 * bar[0], 1) for way, bar in played.space["bars"].items()}
    assert share["whole groups"] == 24.5 and share["clips at random"] == 52.4
    played.again("def mean_colour")
