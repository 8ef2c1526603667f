"""What lesson 10 says is what its cells put out, and what is stored."""

import re
from itertools import groupby

from benchmarks import agreement, peers, speed
from benchmarks.stored import read_result
from dvfl_lib.deployment import Latency, StreamingRecogniser
from dvfl_lib.lessons import trained_network
from dvfl_lib.recipes import DataRecipe
from dvfl_lib.standins import StandinSize, clip_frames
from lesson_code import Outputs

NAME = "10_on_device"
ACTIONS_SHOWN = ("Approaching", "Rising", "Gathering", "SinkToBack", "Scattering")
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words
SPEED = read_result("network_speed")
SECOND = read_result("network_speed_2")
PEERS = read_result("peers")
AGREEMENT = read_result("agreement")
COST = "dvfl_lib.cost"
TEACHER = ("teacher asked", "logits given")


def said(sentence: str) -> bool:
    return sentence in WORDS


def ratio(group: str, name: str, found: dict = SPEED) -> str:
    return f"{found[group]['rows'][name]['median']:.2f}"


def times(code: str) -> dict[str, float]:
    """What ``beside`` printed: way -> times as fast as the first."""
    found = re.findall(r"(\w+) +(\d+\.\d\d) times as fast", printed(code))
    return {name: float(value) for name, value in found}


def test_every_proof_of_equality_holds():
    lines = LESSON.lines_printed()
    proofs = [line for line in lines if re.search(r"(equal|below|same names).*:", line)]
    assert len(proofs) == 10
    assert all(line.endswith("True") for line in proofs)


def test_the_network_is_the_papers():
    found = printed("count_macs(model)")
    assert "22." in found and "GMACs for one clip" in found


def test_arithmetic_comes_nearer_to_the_limit_than_addition():
    rates = re.findall(
        r"(\S.*\S) +[\d.]+ ms +([\d.]+) GMACs/s", printed("in work.items")
    )
    rates = {name: float(value) for name, value in rates}
    limits = re.findall(r"(\d+) GMACs per second", printed("rates ="))
    limit = max(map(float, limits))
    assert len(limits) == 2 and rates["add"] < 0.2 * limit
    assert rates["linear layer"] > 4 * rates["add"]
    assert rates["same, as convolution"] > 0.6 * limit
    assert said("asked for as a product or as a convolution")
    # nine times the MACs in "much less than nine times the time"
    assert rates["3 x 3 depth-wise"] > 2 * rates["add"]


def test_steps_are_faster_one_by_one():
    steps = [
        times("beside(sequences=")["rows"],
        times("beside(one=")["three"],
        times("beside(written=")["in_place"],
        times("beside(whole=whole, in_pieces")["in_pieces"],
        times("beside(linear=")["conv"],
    ]
    assert min(steps) > 1
    # the whole is in the figure; on the slower of the stored processors
    whole = min(float(ratio("answers", "fast", found)) for found in (SPEED, SECOND))
    assert sum(step > whole for step in steps) >= 2
    assert said("Many single steps gain more than the whole")


def test_what_a_derivative_needs_is_watched():
    assert "modified by an inplace operation" in printed("y.backward()")


def test_no_kind_of_work_gives_more_than_its_share():
    without = times("total - spent[kind]")
    assert 1.05 < without["copies"] < 1.15 and said("gains about a tenth at most")
    assert {*sorted(without, key=without.get)[-2:]} == {"products", "convolutions"}
    assert said("Products and convolutions are the largest parts")
    beyond = re.search(r"convolutions: ([\d.]+) times", printed("both = {"))[1]
    assert float(beyond) < 1.3 and said("not much more than the least time")


def test_what_is_stored_is_what_is_told():
    fast, plain = (
        SPEED["answers"]["rows"][name]["p50_ms"] for name in ("fast", "straightforward")
    )
    assert said(f"takes {fast:.0f} ms instead of {plain:.0f}")
    assert said(f"instead of {plain:.0f}: {ratio('answers', 'fast')} times as fast")
    share = SPEED["shares"]["fast"]["shares"]["convolutions"]
    assert said(f"Convolutions take {100 * share:.0f} % of what is left")
    assert said(f"in float32, with {ratio('answers', 'OpenVINO, float32')}")
    assert said(f"form is {ratio('answers', 'fast, bf16')} times as fast, and")
    frozen = ratio("answers", "fast, compiled and frozen, bf16")
    assert said(f"and {frozen} compiled and frozen")
    assert said(f"reach {ratio('answers', 'ONNX Runtime, int8')} in ONNX Runtime")
    assert said(f"and {ratio('answers', 'OpenVINO, int8')} in OpenVINO")
    assert said(f"A training step is {ratio('training', 'fast')} times as fast")
    assert said(f"and {ratio('training', 'fast, bf16')} in bfloat16")
    given = ratio("distillation", "fast, logits given")
    assert said(f"make it {given} times as fast")
    assert said(f"{ratio('distillation', 'fast, bf16, logits given')} with bfloat16")
    steps = SPEED["distillation"]["rows"]
    asked, read = (steps[f"fast, {w}"]["p50_ms"] for w in TEACHER)
    assert said(f"takes {read:.0f} ms in place of {asked:.0f}")
    compiled = float(ratio("answers", "fast, compiled"))
    assert compiled < float(ratio("answers", "fast"))
    assert said("Compiling does not help in float32, it makes the fast form slower")
    batches = SPEED["batches"]["rows"]
    assert max(row["median"] for row in batches.values()) < 1.1
    assert said("Larger batches gain little")
    assert batches["batch 8"]["median"] < 0.9 and said(
        "Eight at a time are even slower"
    )


def test_what_is_said_of_the_second_processor_is_stored():
    fast, openvino = (
        ratio("answers", form, SECOND) for form in ("fast", "OpenVINO, float32")
    )
    assert said(f"is {fast} times as fast in place of {ratio('answers', 'fast')}")
    first = ratio("answers", "OpenVINO, float32")
    assert said(f"OpenVINO {openvino} in place of {first}")
    assert float(fast) < float(openvino) < float(first)
    known = SECOND["multiplying"]
    product, convolution = (known["rates"][way] for way in ("product", "convolution"))
    assert said(f"reaches {convolution / 1e9:.0f} GMACs per second")
    assert said(f"and a product {product / 1e9:.0f}: step 5")
    rows = SECOND["answers"]["rows"]
    plain, *others = (
        rows[form]["p50_ms"]
        for form in (
            "straightforward",
            "ExecuTorch, float32",
            "ExecuTorch, int8",
            "fast",
        )
    )
    assert said(
        "took {:.0f} ms in float32 and {:.0f} in integers, where our fast form "
        "took {:.0f}.".format(*others)
    )
    assert said(f"takes {known['least_ms']:.0f} ms, the straightforward")
    assert said(f"form takes {plain:.0f} ms; so")
    assert said(f"more than about {plain / known['least_ms']:.1f} times as fast")
    frozen = ratio("answers", "fast, compiled and frozen, bf16", SECOND)
    assert said(f"Frozen bfloat16 is {frozen} times as fast")
    given = ratio("distillation", "fast, logits given", SECOND)
    assert said(f"with stored logits {given} times")
    assert SPEED["versions"] == SECOND["versions"] and said("the same versions")


def test_the_stored_tables_are_shown():
    assert LESSON.shown("Markdown(speed.table") == speed.table(SPEED)
    assert LESSON.shown("Markdown(speed.side_by_side") == speed.side_by_side(SECOND)
    assert LESSON.shown("Markdown(peers.table") == peers.table(PEERS)
    assert LESSON.shown("Markdown(agreement.table") == agreement.table(AGREEMENT)


def percents(code: str) -> dict[str, list[float]]:
    """Of a table of agreement: form -> top-1 and agreement."""
    rows = {}
    for line in LESSON.shown(code).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1].endswith("%"):
            rows[cells[0]] = [float(cell.removesuffix(" %")) for cell in cells[1:3]]
    return rows


def test_agreement_is_high_and_integers_change_more():
    rows = percents('forms |= {"ONNX"')
    assert set(rows) == {"float32", "bfloat16", "ONNX", "int8"}
    assert rows["ONNX"] == rows["float32"] and rows["float32"][1] == 100
    assert rows["int8"][1] >= 95 and said("one or two clips of a hundred")
    for program in ("ONNX", "OpenVINO"):
        stored = [
            row for name, row in AGREEMENT["rows"].items() if f"{program}, int8" in name
        ]
        assert len(stored) == 3
        assert all(0.98 <= row["agreement"] < 0.995 for row in stored)
        for column in ("agreement", "kl"):
            grows = [row[column] for row in stored]
            assert grows == sorted(grows)
    assert said("the KL divergence grows") and said("The agreement seems to grow too")
    exact = AGREEMENT["rows"]["float32"]["top1"]
    top1 = [row["top1"] for name, row in AGREEMENT["rows"].items() if "int8" in name]
    assert min(top1) < exact < max(top1) and said("now above and now below that of")
    assert said("all 336 clips") and stored[0]["clips"] == 336


def test_integers_make_a_smaller_file():
    sizes = re.search(r"(\d+) kB became (\d+) kB", printed("quantise(made"))
    before, after = map(int, sizes.groups())
    assert after < before / 2 and said("less than half as large")


def test_a_file_for_a_phone_is_what_is_said_of_it():
    before, after = re.search(r"(\d+) kB became (\d+)", printed("eight.stat")).groups()
    assert int(after) < int(before) / 2 and said(
        "it is less than half as large, and changes"
    )
    left = printed("plan.delegates")
    assert said("No product and no convolution is left")
    assert "XnnpackBackend" in left and not re.search("conv|mm|linear", left)
    assert all(word in left for word in ("layer_norm", "split", "mean"))
    rows = percents('forms["ExecuTorch"]')
    assert rows["ExecuTorch"] == rows["float32"]
    assert said("In float32 the file says what the network says")
    assert 95 <= rows["ExecuTorch, int8"][1] < 100
    assert said("changes the answer for a few clips of a hundred")
    onnx, its = (
        float(re.search(rf"\| {form} \|.*\| ([\d.]+) \|", table)[1])
        for table in [LESSON.shown('forms["ExecuTorch"]')]
        for form in ("int8", "ExecuTorch, int8")
    )
    assert onnx < its and said("Its KL divergence is larger than that of the ONNX")
    assert "Approaching" in printed('"frames", "side"')


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
    mine = ("vfl_net_nano", *peers.PHONE_NETWORKS)  # these have a cell of their own
    others = [name for name in own if name not in mine]
    assert 7 < 1 / same["video_focalnet_base"]["median"] < 8
    assert said("more than seven times as fast as its teacher")
    measured = [name for name in others if "median" in same[name]]
    swin = same["swin3d_t"]["median"]
    assert len(measured) == 7 and 0.95 < swin < 1.05
    assert max(same[n]["median"] for n in measured if n != "swin3d_t") < 1
    assert max(own[name]["median"] for name in others) < 1
    macs = [same[n][f"GMACs, {COST}"] / 1e9 for n in ("swin3d_t", mine[0])]
    assert said("makes {:.1f} GMACs on a clip where ours makes {:.1f}".format(*macs))
    assert PEERS["machine"] == SECOND["machine"]
    fast = ratio("answers", "fast", SECOND)
    level = round(swin, 2) * float(fast)
    assert said(f"{swin:.2f} · {fast} ≈ {level:.2f}") and level > 1.1
    peaks = {name: same[name]["peak_bytes"] for name in ("vfl_net_nano", *measured)}
    assert min(peaks, key=peaks.get) == "vfl_net_nano"
    ours, x3d, movinet = (own[n]["p50_ms"] for n in (mine[0], "x3d_m", "movinet_a2"))
    assert said(f"takes {x3d:.0f} ms in place of {ours:.0f}") and x3d < ours < movinet
    assert said(f"and takes {movinet:.0f} ms. These networks")
    faster = [same[name]["median"] for name in peers.PHONE_NETWORKS]
    assert said(f"faster, {min(faster):.1f} to {max(faster):.1f} times")
    alike = [same[name] for name in ("r3d_18", "r2plus1d_18")]
    macs = {round(row[f"GMACs, {COST}"] / 1e9) for row in alike}
    first, second = (f"{row['p50_ms']:.0f}" for row in alike)
    assert macs == {81} and said(f"and take {first} and {second} ms")
    thop, ours = (own["r3d_18"][f"GMACs, {by}"] / 1e9 for by in ("thop", COST))
    assert said(
        f"For `r3d_18` the popular counter thop finds {thop:.1f} GMACs of {ours:.1f}"
    )


def test_what_is_said_of_networks_for_phones_is_counted_and_stated():
    found = re.findall(
        r"(\w+) +([\d.]+) M, +([\d.]+) GMACs; stated: top-1 (\S+), views (.+)",
        printed("peers.PHONE_NETWORKS"),
    )
    rows = {name: cells for name, *cells in found}
    assert list(rows) == ["vfl_net_nano", *peers.PHONE_NETWORKS]
    size, work, *stated = rows.pop("vfl_net_nano")
    assert said(f"Ours has {size} M parameters and makes {work} GMACs on a clip")
    assert stated == ["unknown", "unknown"]
    assert said("no source that we could read states a number there")
    sizes, macs = ([float(row[i]) for row in rows.values()] for i in (0, 1))
    assert said("they have 2 to 4 M parameters, and make 2 to 12 GMACs")
    assert 2 <= min(sizes) <= max(sizes) < 4.5 and 1.9 < min(macs) < max(macs) <= 12
    x3d, movinet = rows["x3d_m"], rows["movinet_a2"]
    assert said(f"X3D-M makes {x3d[1]} GMACs on a clip of 16 frames")
    assert said(f"MoViNet-A2 {movinet[1]} on 50, where ours makes {work} on 8")
    assert said(f"Their authors state {x3d[2]} and {movinet[2]} % top-1")
    assert x3d[3] == "10 x 3" and said("average over 10 x 3 views of a video, 30 times")
    assert movinet[3] == "1 x 1" and said("MoViNet's comes from one clip")
    tiny, base = (peers.stated(f"video_focalnet_{size}") for size in ("tiny", "base"))
    assert said(f"at {tiny[2]} % (tiny) to {base[2]} % (base), with {tiny[3]} views")


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
    coarse = decided(frame_stride=8)
    assert {*order} - {*coarse} == {"Approaching", "SinkToBack"}
    assert coarse[-1] == "Receding" and said("the last answer is Receding")
