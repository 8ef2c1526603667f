"""What lesson 10 says is what its cells put out, and what is stored."""

import re
from itertools import groupby

from benchmarks import network_speed, peers
from benchmarks.stored import read_result
from dvfl_lib.benchmarks.standins import StandinSize, clip_frames
from dvfl_lib.deployment import Latency, StreamingRecogniser
from dvfl_lib.lessons import trained_network
from dvfl_lib.recipes import DataRecipe
from lesson_code import Outputs

NAME = "10_on_device"
ACTIONS_SHOWN = ("Approaching", "Rising", "Gathering", "SinkToBack", "Scattering")
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words
SPEED = read_result("network_speed")
PEERS = read_result("peers")
COST = "dvfl_lib.cost"


def said(sentence: str) -> bool:
    return sentence in WORDS


def ratio(group: str, name: str) -> str:
    return f"{SPEED[group]['rows'][name]['median']:.2f}"


def times(code: str) -> dict[str, float]:
    """What ``beside`` printed: way -> times as fast as the first."""
    found = re.findall(r"(\w+) +(\d+\.\d\d) times as fast", printed(code))
    return {name: float(value) for name, value in found}


def test_every_proof_of_equality_holds():
    lines = LESSON.lines_printed()
    proofs = [line for line in lines if re.search(r"(equal|below|same names).*:", line)]
    assert len(proofs) == 9
    assert all(line.endswith("True") for line in proofs)


def test_the_network_is_the_papers():
    found = printed("count_macs(model)")
    assert "22." in found and "GMACs for one clip" in found


def test_arithmetic_comes_nearer_to_the_limit_than_addition():
    rates = re.findall(
        r"(\S.*\S) +[\d.]+ ms +([\d.]+) GMACs/s", printed("in work.items")
    )
    rates = {name: float(value) for name, value in rates}
    limit = float(re.search(r"(\d+) GMACs per second", printed("peak ="))[1])
    assert rates["add"] < 0.2 * limit and rates["linear layer"] > 4 * rates["add"]


def test_steps_are_faster_one_by_one_and_more_than_the_whole():
    steps = [
        times("beside(sequences=")["rows"],
        times("beside(one=")["three"],
        times("beside(written=")["in_place"],
        times("beside(whole=whole, in_pieces")["in_pieces"],
    ]
    assert min(steps) > 1
    whole = float(ratio("answers", "fast"))
    assert sum(steps) / len(steps) > whole and said("gain more than the whole")


def test_what_is_stored_is_what_is_told():
    fast, plain = (
        SPEED["answers"]["rows"][name]["p50_ms"] for name in ("fast", "straightforward")
    )
    assert said(f"takes {fast:.0f} ms instead of {plain:.0f}")
    assert said(f"{ratio('answers', 'fast')} times as fast. We had hoped for more")
    least = int(re.search(r"at least (\d+) ms", printed("peak ="))[1])
    assert least > plain / 2 and said(f"more than half of the {plain:.0f}")
    share = SPEED["shares"]["fast"]["shares"]["convolutions"]
    assert said(f"take {100 * share:.0f} % of the time")
    assert said(f"{ratio('answers', 'fast, bf16')} times as fast in bfloat16")
    assert said(f"{ratio('answers', 'ONNX Runtime, int8')} times in 8-bit")
    assert said(f"less: {ratio('training', 'fast')} times")
    assert said(f"and {ratio('training', 'fast, bf16')} in bfloat16")
    given = ratio("distillation", "fast, logits given")
    assert said(f"a step {given} times as fast")
    assert said(f"{ratio('distillation', 'fast, bf16, logits given')} with bfloat16")
    assert (
        float(ratio("answers", "fast, compiled")) - float(ratio("answers", "fast"))
        < 0.1
    )
    batches = SPEED["batches"]["rows"].values()
    assert max(row["median"] for row in batches) < 1.05
    assert said("larger batches nothing")


def test_the_stored_tables_are_shown():
    for module, result in ((network_speed, SPEED), (peers, PEERS)):
        name = module.__name__.rsplit(".", 1)[-1]
        assert LESSON.shown(f"Markdown({name}.table") == module.table(result)


def test_agreement_is_high_and_integers_change_more():
    rows = {}
    for line in LESSON.shown('forms |= {"ONNX"').splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1].endswith("%"):
            rows[cells[0]] = [float(cell.removesuffix(" %")) for cell in cells[1:3]]
    assert set(rows) == {"float32", "bfloat16", "ONNX", "int8"}
    assert rows["ONNX"] == rows["float32"] and rows["float32"][1] == 100
    assert rows["int8"][1] >= 95 and said("for a few clips of a hundred")


def test_integers_make_a_smaller_file():
    sizes = re.search(r"(\d+) kB became (\d+) kB", printed("quantise(made"))
    before, after = map(int, sizes.groups())
    assert after < before / 2 and said("less than half as large")


def test_the_stream_is_recognised_at_each_end_and_late():
    told = printed("recogniser.run(frames)")
    order = "Approaching Rising Gathering SinkToBack Scattering"
    assert f"each video: {order}" in told
    assert str(Latency(29, 4, 14.0, 0.0)) in told and said("A window spans 29 frames")


def test_little_is_kept_between_windows():
    share = int(re.search(r"that is (\d+) %", printed("frame_features(model"))[1])
    assert 1 <= share <= 20 and said("It is little")


def test_what_is_said_of_the_peers_is_stored():
    own, same = PEERS["groups"]["own clips"], PEERS["groups"]["8 x 224 x 224"]
    others = [name for name in own if name != "vfl_net_nano"]
    assert 7.5 < 1 / same["video_focalnet_base"]["median"] < 8.5
    measured = [name for name in others if "median" in same[name]]
    assert len(measured) == 5 and max(same[name]["median"] for name in measured) < 1
    assert max(own[name]["median"] for name in others) < 1
    counts = {
        name: row.get("GMACs, dvfl_lib.cost", 0) / 1e9 for name, row in same.items()
    }
    swin, nano = counts["swin3d_t"], counts["vfl_net_nano"]
    assert said(f"makes {swin:.1f} GMACs on a clip where ours makes {nano:.1f}")
    slower = f"{same['swin3d_t']['median']:.2f}"
    assert said(f"not faster: {slower}. Fewer MACs")
    fast = ratio("answers", "fast")
    ahead = float(slower) * float(fast)
    assert said(f"{slower} · {fast} ≈ {ahead:.2f}") and ahead > 1
    peaks = {name: same[name]["peak_bytes"] for name in ("vfl_net_nano", *measured)}
    assert min(peaks, key=peaks.get) == "vfl_net_nano"
    thop, ours = (own["r3d_18"][f"GMACs, {by}"] / 1e9 for by in ("thop", COST))
    assert said(
        f"For `r3d_18` the popular counter thop finds {thop:.1f} GMACs of {ours:.1f}"
    )


def decided(**options) -> list[str]:
    """The answers of the lesson's stream with other options, changes alone."""
    student, about = trained_network("student")
    size = StandinSize(min_frames=36, max_frames=36)
    videos = [clip_frames(0, size, a, 1 + n, 1) for n, a in enumerate(ACTIONS_SHOWN)]
    frames = [frame for video in videos for frame in video]
    data = DataRecipe(frames=8, crop=64, short_side=72)
    recogniser = StreamingRecogniser(student, about["classes"], data, 72, **options)
    fresh = [answer.name for answer in recogniser.run(frames) if answer.fresh]
    return [name for name, _ in groupby(fresh)]


def test_the_answers_of_the_stream_exercises_hold():
    order = [*ACTIONS_SHOWN]
    plain = decided(frame_stride=4)
    assert plain[-4:] == ["SinkToBack", "Scattering", "Gathering", "Scattering"]
    assert plain[2:5] == ["Gathering", "Scattering", "Gathering"]
    assert decided(frame_stride=4, smoothing=0.3) == order
    assert set(decided(frame_stride=4, smoothing=0.3, threshold=0.6)) == {"", "Rising"}
    assert {*order} - {*decided(frame_stride=8)} == {"Approaching", "SinkToBack"}
