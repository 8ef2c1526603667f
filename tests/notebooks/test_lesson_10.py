"""What lesson 10 says is what its cells put out, and what is stored."""

import re
from itertools import groupby, pairwise

import pytest

from benchmarks import peers
from benchmarks.stored import read_result
from dvfl_lib.deployment import Latency
from dvfl_lib.deployment.int8 import compare_outputs
from lesson_code import Outputs, Played

NAME = "10_on_device"
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words
SPEED = read_result("network_speed")
SECOND = read_result("network_speed_2")
PEERS = read_result("peers")
AGREEMENT = read_result("agreement")
COST = "GMACs, dvfl_lib.cost"


def said(sentence: str) -> bool:
    return sentence in WORDS


def ratio(group: str, name: str, found: dict = SPEED) -> str:
    return f"{found[group]['rows'][name]['median']:.2f}"


def milliseconds(group: str, name: str, found: dict = SPEED) -> str:
    return f"{found[group]['rows'][name]['p50_ms']:.0f}"


def times(code: str) -> dict[str, float]:
    """What ``beside`` printed: way -> times as fast as the first."""
    found = re.findall(r"^(.+?) +(\d+\.\d\d) times as fast", printed(code), re.M)
    return {name: float(value) for name, value in found}


def test_every_proof_of_equality_holds():
    lines = LESSON.lines_printed()
    proofs = [
        line
        for line in lines
        if re.search(r"(equal|below|same names|library).*:", line)
    ]
    assert len(proofs) == 13
    assert all(line.endswith("True") for line in proofs)
    assert printed("ours, library = by_ring").count("True") == 2


def test_nothing_is_switched_off_for_good():
    sources = ["".join(cell["source"]) for cell in LESSON.cells]
    assert not [s for s in sources if "set_grad_enabled" in s or "set_num" in s]


def test_the_network_is_the_papers():
    found = printed("macs = count_parameters(model)")
    assert "22." in found and "GMACs for one clip" in found


def test_the_yardstick_has_a_spread():
    found = re.findall(r"(\d+) (?:GMACs|ms).*\((\d+) to (\d+)\)", printed("yardstick,"))
    assert len(found) == 3
    for middle, low, high in (map(int, numbers) for numbers in found):
        assert low <= middle <= high


def test_what_is_counted_of_five_kinds_of_work():
    told = re.findall(r"(\S.*\S) +(\d+) MB +(\d+) MMACs", printed("work = {"))
    counted = {name: (int(mb), int(macs)) for name, mb, macs in told}
    assert counted["add 1"] == counted["copy"] == (19, 0)
    assert counted["linear layer"] == (19, 231) and 231 / 19 == pytest.approx(12, 0.02)
    assert said("moves 19 MB and makes 231 million MACs, twelve for each byte")


def test_measured_times_lie_where_the_text_says():
    told = re.findall(
        r"(\S.*\S) +([\d.]+) ms +([\d.]+) ms +([\d.]+) ms",
        printed("by bytes   by MACs"),
    )
    rows = {name: tuple(map(float, numbers)) for name, *numbers in told}
    assert len(rows) == 6 and rows["copy"][0] == rows["copy"][2]
    assert rows["add 1"][2] < 3 * rows["copy"][2] and said("as long as the copy")
    _, by_macs, measured = rows["linear layer"]
    assert 0.7 * by_macs < measured < 2.5 * by_macs
    assert by_macs > 5 * rows["linear layer"][0]


def test_the_passes_of_the_gated_sum():
    assert 3 * (1 + 1) + 2 * (2 + 1) == 12 and 2 + 2 * 3 == 8 and said("one: 12. In")
    assert said("and each `addcmul_` reads two and writes one: 8")


def test_what_saves_memory_traffic_is_faster():
    found = times("beside(whole=whole, in_pieces")
    assert list(found) == ["as_rows", "in_place", "in_pieces", "as_convolution"]
    assert min(found["in_place"], found["in_pieces"]) > 1
    assert len(times("ways = partial(F.linear")) == 4


def test_what_a_derivative_needs_is_watched():
    assert "modified by an inplace operation" in printed("result.backward()")


def test_no_kind_of_work_gives_more_than_its_share():
    without = times("total - took")
    largest = {*sorted(without, key=without.get)[-2:]}
    assert largest == {"no matrix products", "no convolutions"}
    assert said("Products and convolutions are the largest parts")
    beyond = re.search(r"convolutions now: ([\d.]+) times", printed("total - took"))[1]
    assert float(beyond) < 2


def test_what_is_said_of_the_two_processors_is_stored():
    both = SPEED, SECOND
    assert said(
        "the fast form is {} times as fast on the first processor, {} times on "
        "the second".format(*(ratio("answers", "fast", found) for found in both))
    )
    told = [
        {
            form: (sum(list(part["milliseconds"].values())[:2]), part["milliseconds"])
            for form, part in found["shares"].items()
        }
        for found in both
    ]
    (a, b), (c, d) = ([form[0] for form in found.values()] for found in told)
    assert said(f"fall from {a:.0f} to {b:.0f} ms on the first, and hardly, from ")
    assert said(f"from {c:.0f} to {d:.0f}, on the second")
    for found in told:
        before, after = (sum(list(ms.values())[2:]) for _, ms in found.values())
        assert 0.45 < after / before < 0.55
    known = SECOND["multiplying"]
    product, convolution = (known["rates"][way] for way in ("product", "convolution"))
    assert "multiplying" not in SPEED and said("stored for the second alone")
    assert said(f"{product / 1e9:.0f} GMACs per second as a product, ")
    assert said(f"{convolution / 1e9:.0f} as a convolution")
    plain = SECOND["answers"]["rows"]["straightforward"]["p50_ms"]
    assert said(
        f"a clip takes {known['least_ms']:.0f} ms, and the straightforward form"
    )
    assert said(f"takes {plain:.0f}. So no arrangement")
    assert said(f"more than about {plain / known['least_ms']:.1f} times as fast")
    eight = "OpenVINO, int8"
    assert said(
        "8-bit integers are {} and {} times as fast".format(
            *(ratio("answers", eight, found) for found in both)
        )
    )
    assert all(float(ratio("batches", "batch 8", found)) < 0.9 for found in both)
    steps = [
        milliseconds("distillation", f"fast, {teacher}", found)
        for found in both
        for teacher in ("logits given", "teacher asked")
    ]
    assert said("takes {} ms in place of {}, and {} in place of {}".format(*steps))
    assert SPEED["versions"] == SECOND["versions"] and said("the same versions")


def test_the_stored_numbers_are_shown():
    lines = printed("for group, name in ((group").strip().splitlines()
    assert len(lines) == 15
    for line in lines:
        group, name = line.split()[0], line[13:44].strip()
        for found in (SPEED, SECOND):
            row = found[group]["rows"].get(name)
            assert row is None or f"{row['median']:.2f}" in line
            assert row is None or f"{row['p50_ms']:.0f} ms" in line


def reports(code: str) -> dict[str, tuple[int, ...]]:
    """Form -> right, changed, to right, to wrong."""
    form = r"stand-in: (.+?) +(\d+) of 144 right, (\d+) changed, (\d+) to right, (\d+)"
    found = re.findall(form, printed(code))
    return {name: tuple(map(int, numbers)) for name, *numbers in found}


def divergence(code: str, name: str) -> float:
    return float(re.search(rf"stand-in: {name} .*KL ([\d.]+)", printed(code))[1])


def test_few_answers_change_and_the_counts_fit_together():
    rows = reports('forms |= {"ONNX"')
    assert set(rows) == {"float32", "bfloat16", "ONNX", "int8"}
    exact = rows["float32"][0]
    for right, changed, won, lost in rows.values():
        assert right == exact + won - lost and won + lost <= changed <= 7
    assert rows["ONNX"] == rows["float32"] == (exact, 0, 0, 0)
    assert 0.85 < exact / 144 < 0.95 and said("about nine times of ten on whole clips")


def test_the_longer_list_says_what_is_said_of_it():
    rows = AGREEMENT["rows"]
    eight = [row for name, row in rows.items() if "int8" in name]
    changed = [round((1 - row["agreement"]) * row["clips"]) for row in eight]
    assert (min(changed), max(changed)) == (2, 6) and said(
        "There 2 to 6 answers change"
    )
    right = [round((row["top1"] - rows["float32"]["top1"]) * 336) for row in eight]
    assert max(map(abs, right)) == 1 and said("right ones by one at most")
    assert said("all 336 clips") and {row["clips"] for row in eight} == {336}
    assert {int(n) for name in rows for n in re.findall(r"int8, (\d+)", name)} == {
        *(12, 48, 96)
    }


def test_rounding_is_off_by_half_a_step_at_most():
    told = printed("n = (row / s).round()")
    assert float(re.search(r"error is ([\d.]+) s", told)[1]) <= 0.5
    r, n, back = (
        [float(v) for v in re.findall(r" (-?[\d.]+)", line)]
        for line in told.splitlines()[:3]
    )
    s = float(re.search(r"s = ([\d.]+)", told)[1])
    for weight, integer, again in zip(r, n, back, strict=True):
        assert integer == int(integer) and abs(integer) <= 64
        assert again == pytest.approx(s * integer, abs=6e-4)
        assert abs(weight - again) < s / 2 + 1e-3
    assert 64 // 10 == 6 and said("the others have only −6 to 6 left")


def test_integers_make_a_smaller_file():
    for code in ("quantise(made", "eight.stat"):
        sizes = re.search(r"(\d+) kB became (\d+)", printed(code)).groups()
        before, after = map(int, sizes)
        assert after < before / 2
    assert WORDS.count("less than half as large") == 2


def test_a_file_for_a_phone_is_what_is_said_of_it():
    rows = reports('forms["ExecuTorch"]')
    assert rows["ExecuTorch"][1:] == (0, 0, 0)
    assert 0 < rows["ExecuTorch, int8"][1] <= 7 and said("and changes a few answers")
    onnx = divergence('forms |= {"ONNX"', "int8")
    assert divergence('forms["ExecuTorch"]', "ExecuTorch, int8") > onnx
    assert said("Its KL divergence is larger than that of the ONNX")


def test_the_stream_is_right_at_each_end_and_late():
    told = printed("ours, library = by_ring")
    assert str(Latency(29, 4, 14.0, 0.0)) in told and said("A window spans 29")
    assert "38 answers, all as the library: True True" in told
    (figure,) = LESSON.cell("unknown = torch.full")["outputs"]
    assert "180 frames" in "".join(figure["data"]["text/plain"])


def stream_counts(told: str) -> tuple[dict[int, list[int]], int, int]:
    """Frames since a joint -> answers (new, old, another); right, all."""
    found = re.findall(r"(\d+) frames: +(\d+) the new.*?(\d+) the old, +(\d+)", told)
    right, total = re.search(r"span: (\d+) of (\d+)", told).groups()
    return {int(k): [*map(int, v)] for k, *v in found}, int(right), int(total)


def test_the_stream_answers_when_two_thirds_of_the_window_are_new():
    rows, right, total = stream_counts(printed("right over the whole span"))
    assert list(rows) == [*range(0, 36, 4)]
    assert all(sum(row) == 35 for row in rows.values()) and total == 9 * 35
    assert right == sum(row[0] for row in rows.values())
    assert 0.4 < right / total < 0.5 and said(
        "Fewer than half of all answers are right"
    )
    first = next(since for since, row in rows.items() if row[0] >= 35 / 2)
    assert first == 20 and said("about 20 of the window's 29 frames")
    assert rows[32][0] >= 0.9 * 35
    assert rows[12][2] > 35 / 2 and said("often says something else")


def test_little_is_kept_between_windows():
    share = int(re.search(r"(\d+)%", printed("frame_features(model"))[1])
    assert 1 <= share <= 10 and said("Little. The temporal branch stands in")


def test_what_is_said_of_the_peers_is_stored():
    same = PEERS["groups"]["8 x 224 x 224"]
    ours = same["vfl_net_nano"]
    assert 7 < 1 / same["video_focalnet_base"]["median"] < 8
    assert said("more than seven times as fast as its teacher")
    rate = {
        name: f"{row[COST] / row['p50_ms'] / 1e6:.0f}"
        for name, row in same.items()
        if "median" in row
    }
    theirs = [n for n in rate if n in ("swin3d_t", "r3d_18", "mc3_18", "r2plus1d_18")]
    assert len(theirs) == 4 and 0.95 < same["swin3d_t"]["median"] < 1.05
    assert max(same[n]["median"] for n in theirs if n != "swin3d_t") < 0.5
    assert said(f"than ours, {rate['r3d_18']} and {rate['mc3_18']} against ")
    assert said(f"against {rate['vfl_net_nano']}. They take more than twice as long")
    assert 2.9 < same["r3d_18"][COST] / ours[COST] < same["mc3_18"][COST] / ours[COST]
    assert same["mc3_18"][COST] / ours[COST] < 3.3 and said(
        "three times as many to make"
    )
    assert said(f"but {rate['r2plus1d_18']} per second: the same count, half as long")
    longer = same["r2plus1d_18"]["p50_ms"] / same["r3d_18"]["p50_ms"]
    assert 1.4 < longer < 1.6
    phones = [same[name] for name in peers.PHONE_NETWORKS]
    rates = sorted(int(rate[name]) for name in peers.PHONE_NETWORKS)
    assert said(f"make only {rates[0]} to {rates[-1]} GMACs per second")
    faster = sorted(ours["p50_ms"] / row["p50_ms"] for row in phones)
    assert said(f"and are {faster[0]:.1f} to {faster[-1]:.1f} times as fast as ours")
    thop, true = (same["r3d_18"][f"GMACs, {by}"] / 1e9 for by in ("thop", COST[7:]))
    assert said(f"thop finds {thop:.1f} GMACs of {true:.1f} in `r3d_18`")
    assert PEERS["machine"] == SECOND["machine"]
    assert said(f"is {ratio('answers', 'fast', SECOND)} times as fast as our straight")
    for name, row in same.items():
        if name in rate and name not in ("video_focalnet_tiny", "video_focalnet_small"):
            line = re.search(rf"^{name} .*$", printed("peers = read_result"), re.M)[0]
            assert f"{row['p50_ms']:.0f} ms" in line
            assert line.endswith(f"{rate[name]} GMACs per second")


def test_what_is_said_of_networks_for_phones_is_stored_and_stated():
    form = (
        r"^(\w+) .* ([\d.]+) M, +([\d.]+) GMACs, +\d+ ms; "
        r"stated: top-1 (\S+), views (.+)"
    )
    found = re.findall(form, printed("import PHONE_NETWORKS"), re.M)
    rows = {name: cells for name, *cells in found}
    assert list(rows) == ["vfl_net_nano", *peers.PHONE_NETWORKS]
    assert rows.pop("vfl_net_nano")[2:] == ["unknown", "unknown"]
    assert said("no source that we could read states a number on Kinetics-400")
    sizes, macs = ([float(row[i]) for row in rows.values()] for i in (0, 1))
    assert said("they have 2 to 4 M parameters, and make 2 to 12 GMACs")
    assert 2 <= min(sizes) <= max(sizes) < 4.5 and 1.9 < min(macs) < max(macs) <= 12
    assert rows["x3d_m"][3] == "10 x 3" and said("10 x 3 views of a video, 30 times")
    assert rows["movinet_a2"][3] == "1 x 1" and said("MoViNet takes one clip")
    sees = [PEERS["groups"]["own clips"][n]["clip"] for n in peers.PHONE_NETWORKS]
    assert all(int(clip.split()[0]) > 8 for clip in sees)


@pytest.fixture(scope="module")
def played() -> Played:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "Agg")
        return Played(NAME)


RECOGNISER = "recogniser = StreamingRecogniser"


def led(played: Played) -> list[str]:
    """The answers of the short stream, changes alone."""
    fresh = [answer.name for answer in played.space["said"] if answer.fresh]
    return [name for name, _ in groupby(fresh)]


def recount(played: Played, given: str) -> int:
    """Right answers on the longer stream, with other arguments."""
    change = "frame_stride=4)", f"frame_stride=4, {given})"
    played.again(RECOGNISER, change)
    played.again("unknown = torch.full")
    played.again("random.Random(2)")
    return stream_counts(played.again("right over the whole span"))[1]


@pytest.mark.nightly
def test_no_action_of_the_longer_stream_follows_itself(played):
    actions = [action for action, _ in played.space["shown"]]
    assert len(actions) == 36 and all(a != b for a, b in pairwise(actions))


@pytest.mark.nightly
def test_our_report_is_the_library_s(played):
    forms = {
        name: played.space["forms"][name] for name in ("float32", "bfloat16", "int8")
    }
    library = compare_outputs(forms, played.space["clips"], played.space["truth"])
    for name, row in library.items():
        told = played.run(f"report({name!r}, forms[{name!r}])")
        right, changed = re.search(r"(\d+) of 144 right, (\d+)", told).groups()
        assert int(right) == round(144 * row.top1)
        assert int(changed) == round(144 * (1 - row.agreement))


@pytest.mark.nightly
def test_the_first_try_runs(played):
    code = re.search(r"`(beside\(whole=whole, small=.*?\))`\.", WORDS)[1]
    assert played.run(code).count("times as fast") == 2


@pytest.mark.nightly
def test_the_second_try_has_the_answer_that_stands_there(played):
    order = [*played.space["actions"]]
    assert led(played) != order, "without smoothing others lead in between"
    smooth = recount(played, "smoothing=0.3")
    assert led(played) == order and said("each action leads once, in the right order")
    assert f"smoothing adds {0.7 / 0.3 * 4:g}" in played.run(
        "print(recogniser.latency)"
    )
    sure = recount(played, "smoothing=0.3, threshold=0.6")
    told = re.search(r"right, (\d+) of 315 in place of (\d+)", WORDS).groups()
    plain = stream_counts(printed("right over the whole span"))[1]
    assert int(told[1]) == plain and abs(int(told[0]) - smooth) <= 4 < plain - smooth
    assert abs(int(re.search(r"too, (\d+) are right", WORDS)[1]) - sure) <= 4
    played.again(RECOGNISER)


@pytest.mark.nightly
def test_the_third_try_has_the_answer_that_stands_there(played):
    played.again(RECOGNISER, ("frame_stride=4)", "frame_stride=8)"))
    played.again("unknown = torch.full")
    coarse = led(played)
    assert {*played.space["actions"]} - {*coarse} == {"Approaching", "SinkToBack"}
    assert coarse[-1] == "Receding" and said("the last answer is Receding")
    assert played.space["recogniser"].span == 57
    played.again(RECOGNISER)


@pytest.mark.nightly
def test_the_fourth_try_has_the_answer_that_stands_there(played):
    scale = re.search(r"`s = (p\.flatten.*)`", WORDS)[1]
    told = played.run(
        "def rounded(k):\n"
        "    copied = copy.deepcopy(student)\n"
        "    for p in copied.parameters():\n"
        "        if p.ndim > 1:\n"
        f"            s = {scale}\n"
        "            p.data = s * (p / s).round()\n"
        "    return copied\n"
        "for k in range(6, 0, -1):\n"
        "    report(f'k = {k}', rounded(k))\n"
    )
    form = r"(\d+) of 144 right, (\d+) changed, (\d+) to right, (\d+) to wrong"
    rows = [tuple(map(int, numbers)) for numbers in re.findall(form, told)]
    assert rows[0][1] <= 1 and rows[1][1] <= 1
    assert rows[2][1] <= 6 and abs(rows[2][2] - rows[2][3]) <= 1
    assert rows[3][3] - rows[3][2] >= 7 and said("1 to right, 11 to wrong")
    assert abs(rows[5][0] - 88) <= 4 and said("88 of 144 are still right")
