"""What measures speed and memory, as short as it can be; texts held to the results."""

import copy
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
import torchvision.models.video
from torch import nn

from benchmarks import agreement, forms, memory, peers, reading, speed, stored
from benchmarks import teacher_logits as logits
from benchmarks.phone_networks import PHONE_NETWORKS
from benchmarks.timing import (
    against,
    interleave,
    latency_rows,
    missing_row,
    speed_table,
)
from dvfl_lib.cost import count_macs, count_parameters
from dvfl_lib.evaluation.tables import published_for
from dvfl_lib.lessons import lesson_clip
from dvfl_lib.standins import TEST_GROUPS
from dvfl_lib.vfl_net import VARIANTS
from dvfl_lib.video.transforms import normalise

README = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text("utf-8")
TABLES = {
    "reading": reading.table,
    "teacher_cache": logits.table,
    "network_speed": speed.table,
    "network_speed_2": speed.side_by_side,
    "variants": speed.sizes_table,
    "network_memory": memory.table,
    "agreement": agreement.table,
    "peers": peers.table,
}
MACHINE = {"gpu": None, "processor": "a processor"}
SMALL = forms.Sizes(
    student="vfl_net_lab_student",
    teacher="vfl_net_lab_teacher",
    frames=2,
    side=32,
    batches=(1, 2),
    rounds=1,
    step_rounds=1,
)


def test_contestants_take_turns_and_another_begins_each_round(monkeypatch):
    monkeypatch.delenv("DVFL_TEST", raising=False)
    now, calls = [0.0], []
    seconds = {"a": 1.0, "b": 2.0, "c": 3.0}

    def contestant(name):
        def run():
            calls.append(name)
            now[0] += seconds[name]

        return run

    asked = {name: contestant(name) for name in seconds}
    times = interleave(asked, rounds=3, warm_up=1, clock=lambda: now[0])
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [3.0] * 3}
    rounds = ["".join(calls[i : i + 3]) for i in range(0, 12, 3)]
    assert rounds == ["cab", "abc", "bca", "cab"]


def test_the_ratio_is_taken_within_a_round():
    times = {"slow": [2.0, 4.0, 8.0, 80.0], "fast": [1.0, 2.0, 4.0, 4.0]}
    ratios = against(times, "slow")
    assert ratios["slow"]["median"] == 1.0
    # 6.5: quartile of 2, 2, 2, 20
    assert ratios["fast"] == {"median": 2.0, "low": 2.0, "high": 6.5, "seconds": 3.0}


def test_rows_have_ratios_of_clips_and_latencies_of_calls():
    times = {"one": [1.0, 1.0, 2.0], "four": [2.0, 2.0, 2.0]}
    rows = latency_rows(times, "one", {"one": 1, "four": 4})
    assert (rows["four"]["median"], rows["four"]["p50_ms"]) == (2.0, 2000.0)
    assert rows["one"]["p95_ms"] == pytest.approx(1900.0)
    rows["gone"] = missing_row("no such\nthing | here")
    table = speed_table(rows, {"more": lambda row: "x"})
    assert table[3] == "| four | 2.00 (2.00 to 3.00) | 2000.0 | 2000.0 | 2.00 | x |"
    assert table[4] == "| gone | not measured: no such thing \\| here |  |  |  |  |"


@pytest.mark.parametrize("name", TABLES)
def test_readme_shows_the_stored_table(name):
    shown = README.partition(f"<!-- {name}:begin -->")[2]
    shown = shown.partition(f"<!-- {name}:end -->")[0].strip()
    result = stored.read_result(name)
    assert shown == TABLES[name](result).strip()
    assert result["commit"] and result["machine"]["cores"]
    assert README.count(f"| `{name}` |\n") == 1  # the last cell of its row


@pytest.fixture
def page(tmp_path, monkeypatch):
    """README and results in a folder of their own."""
    path = tmp_path / "README.md"
    path.write_text(README, "utf-8")
    monkeypatch.setattr(stored, "README", path)
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    return path


def test_one_command_measures_stores_and_shows(page, monkeypatch, capsys):
    """The real ``main`` on small sizes: the file, README's table, what is printed."""
    monkeypatch.setattr(forms.Sizes, "here", lambda *rounds: SMALL)
    monkeypatch.setattr(speed.os, "cpu_count", torch.get_num_threads)
    monkeypatch.setattr(speed, "export_executorch", lambda *given: None)  # takes long
    monkeypatch.setattr(sys, "argv", ["speed.py"])
    speed.main()
    told = capsys.readouterr().out.strip()
    assert told in page.read_text("utf-8")
    found = stored.read_result("network_speed")
    assert found["command"] == "python -m benchmarks.speed" and found["standin"]
    assert {"date", "commit", "versions", "machine"} <= set(found)
    assert {"processor", "cores", "system", "gpu"} == set(found["machine"])
    rows = found["answers"]["rows"]
    assert list(rows)[:3] == ["straightforward", "readable", "fast"] and len(rows) == 13
    assert "'mobile'" in rows["ExecuTorch, int8"]["missing"]
    for name in ("readable", "fast", "fast, compiled"):
        assert rows[name]["logit_difference"] < 1e-4
    assert 0 < rows["fast, bf16"]["logit_difference"] < 0.1
    assert found["answers"]["largest_logit"] > 0.1  # a difference means something
    assert len(found["training"]["rows"]) == 4
    assert len(found["distillation"]["rows"]) == 5
    for form in found["shares"].values():
        assert sum(form["shares"].values()) == pytest.approx(1, abs=1e-3)
    monkeypatch.setattr(sys, "argv", ["speed.py", "--show"])
    monkeypatch.setattr(speed, "measure", None)  # it runs nothing
    speed.main()
    assert capsys.readouterr().out.strip() == told
    assert "| fast | 1.00" not in speed.side_by_side(found)


@pytest.mark.nightly
def test_every_size_is_measured_in_every_form(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    found = speed.measure_sizes(["vfl_net_lab_student"], SMALL)
    assert json.loads(json.dumps(found))["clip"] == [2, 32, 32]
    rows = found["variants"]["vfl_net_lab_student"]["rows"]
    assert rows["straightforward"]["median"] == 1
    if importlib.util.find_spec("executorch"):
        float32, int8 = (rows[f"ExecuTorch, {n}"] for n in ("float32", "int8"))
        assert float32["logit_difference"] < 1e-4 < int8["logit_difference"] < 0.5
        assert int8["file_bytes"] < 0.6 * float32["file_bytes"]
    batch, per_second = rows["fast"]["best"]
    assert batch in (1, 2) and per_second >= rows["fast"]["clips_per_second"]
    assert "best" not in rows["fast, compiled"] and "fast, batch 2" not in rows
    text = speed.sizes_table({**found, "machine": MACHINE})
    assert "| file, MB |" in text
    assert "Clips 2 x 32 x 32, on a processor" in text
    assert set(speed.VARIANTS) == {n for n in VARIANTS if "_lab_" not in n}


def test_without_a_compiler_the_row_says_so():
    """Torch's own error: the name of a compiler that is nowhere."""
    from torch._inductor import config

    nowhere = {"cpp.cxx": (None, "no-such-compiler"), "force_disable_caches": True}
    network = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    with config.patch(nowhere):
        found = forms.compiled(network, torch.ones(2, 4), False)
    assert isinstance(found, forms.Missing) and "compiler" in found.reason


@pytest.mark.nightly
def test_a_frozen_network_has_code_of_its_own(monkeypatch):
    """Its weights are constants of it, whatever was compiled before."""
    monkeypatch.setattr(copy, "deepcopy", lambda network: network)
    network, clip = nn.Linear(4, 4), torch.ones(2, 4)
    calls = [forms.compiled(network, clip, False, frozen) for frozen in (False, True)]
    if isinstance(calls[0], forms.Missing):
        pytest.skip(calls[0].reason)
    before = [call(clip) for call in calls]
    with torch.no_grad():
        network.weight.zero_()
    changed = [
        not torch.equal(call(clip), b) for call, b in zip(calls, before, strict=True)
    ]
    assert changed == [True, False]


def test_openvino_gives_the_logits_of_onnx_runtime_or_says_why_not(tmp_path):
    model, clip = SMALL.network(SMALL.student), SMALL.clip(1)
    its = forms.openvino_call(tmp_path / "float32.onnx", clip)
    if isinstance(its, forms.Missing):
        assert "OpenVINO" in its.reason or "not there" in its.reason
        return
    forms.export_onnx(model, clip, tmp_path)
    ways = forms.answering_forms(model, clip, tmp_path)
    ours, its = (ways[f"{name}, float32"]() for name in ("ONNX Runtime", "OpenVINO"))
    ours, its = ours(clip), its(clip)
    assert torch.allclose(ours, its, atol=1e-4)


def test_steps_change_the_student_and_ask_the_teacher_or_not():
    student, clip = SMALL.network(SMALL.student), SMALL.clip(2)
    before = student.head.weight.clone()
    asked = []

    def teacher(clip):
        asked.append(len(clip))
        return torch.eye(len(clip), forms.CLASSES)

    forms._step(student, clip, teacher)()
    assert asked == [2] and not torch.equal(before, student.head.weight)
    assert all(p.grad is None for p in student.parameters())


def test_operators_are_told_apart_by_kind():
    told = "addmm mkldnn_convolution native_layer_norm gelu_ mul copy_ mean".split()
    kinds = [speed.kind_of(f"aten::{name}") for name in told]
    assert kinds == [*speed.KINDS[:4], *speed.KINDS[3:]]
    weights = torch.randn(500, 500)
    found = speed.operator_shares(lambda: weights @ weights)
    assert found["shares"]["matrix products"] > 0.5
    assert found["milliseconds"]["convolutions"] == 0


@pytest.mark.nightly
def test_memory_of_each_form_in_a_process_of_its_own():
    groups = {"answers": ("fast",), "training": ("straightforward", "no such form")}
    found = memory.measure(SMALL, groups)
    counts = found["bytes"]
    least = 8 * 64 * 64 * 3 * 4  # the clip
    peer = memory.growth_of("peers.answer('vfl_net_lab_student', 8, 64)", "it")
    assert least < peer < 500e6
    assert 0 < counts["answers"]["fast"] < counts["training"]["straightforward"]
    text = memory.table({**found, "machine": MACHINE})
    assert "| straightforward | 1.00 |" in text
    assert "| no such form | not measured: training: no such form failed" in text


@pytest.mark.nightly
def test_peers_are_measured_on_their_own_clips_and_on_common_ones(monkeypatch):
    monkeypatch.setattr(peers, "growth_of", lambda *asked: 5_000_000)
    ours, phone = peers.Peer("vfl_net_nano", 2, 64), peers.Peer("movinet_a0", 2, 64)
    fixed = peers.Peer("r3d_18", 4, 16, fixed_frames=True)
    found = peers.measure([ours, fixed, phone], [(2, 64)], rounds=1)
    own, common = found["groups"][peers.OWN], found["groups"]["2 x 64 x 64"]
    assert own["vfl_net_nano"]["median"] == 1.0
    assert own["r3d_18"]["clip"] == "4 x 16 x 16" and own["r3d_18"]["median"] > 0
    assert common["r3d_18"] == {"missing": "it takes 4 frames alone"}
    text = peers.table({**found, "machine": MACHINE})
    assert "no accuracy is measured" in text and text.count("| 5 |") == 5
    assert "| torchvision's | 33.4 | 40.7 | 63.2 | 5 x 1 | torchvision |" in text
    assert "| movinet_a0 | 2.1 | 0.0 | written here from its table | 3.1 |" in text


def test_the_counters_agree_on_our_network():
    """Two operations for a MAC; thop sees all layers of the straightforward form, with
    the norms, which ours leaves out."""
    ours, torchs, thops = peers.count_work("vfl_net_nano", 8, 224).values()
    assert torchs == 2 * ours
    assert isinstance(thops, str) or ours <= thops <= 1.01 * ours


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18", "mvit_v2_s"])
def test_clips_and_counts_are_those_that_torchvision_publishes(name):
    (peer,) = [peer for peer in peers.PEERS if peer.name == name]
    (chosen,) = torchvision.models.get_model_weights(name)
    assert chosen.transforms().crop_size == [peer.side] * 2
    assert f"clip_len={peer.frames}" in chosen.meta["_docs"]
    macs = peers.count_work(name, peer.frames, peer.side)["GMACs, dvfl_lib.cost"]
    # Theirs have 400 classes.
    assert macs / 1e9 == pytest.approx(chosen.meta["_ops"], abs=2e-3)


@pytest.mark.parametrize(
    ("name", "classes", "parameters", "unlike"),
    [
        ("x3d_s", 400, 3_794_274, 0.01),  # as the authors' own code, to the one
        ("x3d_m", 400, 3_794_274, 0.01),
        ("movinet_a0", 600, 3_111_704, 0.05),
        ("movinet_a2", 400, 4_839_448, 0.16),
    ],
)
def test_networks_for_phones_are_those_of_their_tables(
    name, classes, parameters, unlike
):
    (peer,) = [peer for peer in peers.PEERS if peer.name == name]
    with torch.device("meta"):
        found = count_parameters(PHONE_NETWORKS[name](classes))["total"]
    assert found == parameters
    millions, macs = map(float, peers.STATED[name][:2])
    assert abs(found / 1e6 - millions) < 0.05
    counted = peers.count_work(name, peer.frames, peer.side)[peers.COUNTS[0]] / 1e9
    assert counted == pytest.approx(macs, rel=unlike)


def test_networks_for_phones_take_clips_of_other_sizes():
    for name in ("x3d_s", "movinet_a0"):
        logits = peers.build(name)(torch.randn(2, 3, 3, 45, 45))
        assert logits.shape == (2, forms.CLASSES) and logits.std() > 0


@pytest.mark.nightly
def test_readme_says_how_large_networks_for_phones_are():
    phones = [peer for peer in peers.PEERS if peer.name in PHONE_NETWORKS]
    sizes, macs, top1 = [], [], []
    for peer in phones:
        with torch.device("meta"):
            network = peers.build(peer.name)
        sizes.append(count_parameters(network)["total"] / 1e6)
        macs.append(count_macs(network, peer.frames, peer.side) / 1e9)
        top1.append(float(peers.stated(peer.name)[2]))
    same = stored.read_result("peers")["groups"]["8 x 224 x 224"]
    speed = [same[peer.name]["median"] for peer in phones]
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for words in (
        f"they are {min(speed):.0f} to {max(speed):.0f} times as fast",
        f"have {min(sizes):.0f} to {max(sizes):.0f} M parameters",
        f"make {min(macs):.0f} to {max(macs):.0f} GMACs on a clip",
        f"authors state {min(top1):.0f} to {max(top1):.0f} % top-1",
    ):
        assert words in text


def test_what_is_stated_is_what_the_lessons_show():
    """The numbers of our networks are those of ``published.toml``."""
    for name in ("tiny", "small", "base"):
        row = published_for("kinetics400", "teacher", f"video_focalnet_{name}")
        views = f"{row.clips} x {row.crops}"
        assert peers.stated(f"video_focalnet_{name}")[2:4] == [str(row.top1), views]
    assert published_for("kinetics400", "student", "vfl_net_nano").top1 is None
    assert peers.stated("vfl_net_nano")[1:4] == ["unknown"] * 3


def names(tree):
    """The keys of a nested dictionary, without its numbers."""
    return {k: names(v) if isinstance(v, dict) else None for k, v in tree.items()}


@pytest.mark.nightly
def test_reading_is_measured_as_it_was_stored(tmp_path):
    """The same groups and files, and no contestant that is there no more."""
    videos = reading.draw_videos(tmp_path, 24)
    found = reading.measure(videos, tmp_path, rounds=1, clips=8)
    kept = stored.read_result("reading")
    for group in ("clips", "bytes"):
        assert names(found[group]) == names(kept[group])
    for file, rows in kept["frames"].items():
        assert set(rows) <= set(found["frames"][file]), file
    (first_time,) = [n for n in found["frames"]["drawn.mp4"] if "PyAV, first" in n]
    assert f"| {first_time} | " in reading.table(found)
    assert list(found["loader"]) == list(kept["loader"])
    for sizes in found["bytes"].values():  # 240 x 320 at short side 256
        assert abs(sizes["cache, paper"] - 24 * 3 * 256 * 341) < 1000


@pytest.mark.nightly
def test_a_step_with_stored_logits_beside_one_that_asks_the_teacher():
    """A smaller teacher on smaller frames takes the same way."""
    pair = logits.large_pair(1, 32, teacher="video_focalnet_tiny")
    found = logits.measure_time(pair, 1)
    for kind in ("ratios", "ratios, loading by the same process"):
        assert found[kind][logits.LIVE]["median"] == 1.0
        assert len(found[kind]) == 3
    assert found["ratios"][logits.CACHED]["median"] > 0


def test_a_training_asks_the_teacher_as_often_as_there_are_views():
    """Step 3 s with the teacher and 1 s without: 120 epochs take 360 s, or 120 s and
    2 s for each view."""
    seconds = {logits.LIVE: [3.0, 9.0, 3.0], logits.CACHED: [1.0]}
    assert logits._training(seconds, 8) == pytest.approx(360 / 136)
    assert logits._training(seconds, 120) == pytest.approx(1)


@pytest.mark.nightly
def test_agreement_is_measured_on_clips_that_the_student_was_not_trained_on(
    monkeypatch,
):
    """But for the compiler's minute of generating code."""
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    places = agreement.test_places([1])[: agreement.BATCH]
    expected = normalise(lesson_clip("Rising", group=3, clip=2))
    assert torch.equal(agreement.drawn(("Rising", 3, 2)), expected)
    trained = agreement.calibration_places(96)
    assert len(set(trained)) == 96 and not set(trained) & set(places)
    assert not {group for _, group, _ in trained} & {*TEST_GROUPS[1]}
    found = agreement.measure(places, calibration=(2,))
    rows = found["rows"]
    assert {row["clips"] for row in rows.values()} == {agreement.BATCH}
    assert 0 < rows["bf16"]["difference"] < 0.2 and rows["bf16"]["agreement"] > 0.8
    assert rows["ONNX, float32"]["difference"] < 1e-4
    assert rows["ONNX, int8, 2 calibration clips"]["difference"] > 1e-4
    assert "stand-in data" in agreement.table(found)
