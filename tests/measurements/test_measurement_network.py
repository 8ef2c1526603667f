"""The measurements of the network's speed and of its peers, as short as they can be."""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torchvision.models.video
from torch import nn

from benchmarks import (
    agreement,
    network_forms,
    network_memory,
    network_speed,
    network_speed_2,
    openvino_forms,
    peer_networks,
    peers,
    stored,
)
from benchmarks.latencies import latency_rows, missing_row, speed_cells
from benchmarks.operator_shares import KINDS, kind_of, operator_shares
from dvfl_lib.deployment import packages

README = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text("utf-8")
MACHINE = {"gpu": None, "processor": "a processor"}
SMALL = network_speed.Sizes(
    student="vfl_net_lab_student",
    teacher="vfl_net_lab_teacher",
    frames=2,
    side=32,
    batches=(1, 2),
    rounds=1,
    step_rounds=1,
)


def made_up(*names):
    """Rows in which a contestant is twice as fast as the one before it."""
    times = {name: [1 / 2**n] * 3 for n, name in enumerate(names)}
    return latency_rows(times, names[0])


def test_rows_have_ratios_of_clips_and_latencies_of_calls():
    times = {"one": [1.0, 1.0, 2.0], "four": [2.0, 2.0, 2.0]}
    rows = latency_rows(times, "one", {"one": 1, "four": 4})
    assert rows["one"]["median"] == 1.0
    assert (rows["four"]["median"], rows["four"]["p50_ms"]) == (2.0, 2000.0)
    assert rows["four"]["high"] == 3.0  # quartile of 2, 2, 4
    assert rows["four"]["clips_per_second"] == 2.0
    assert rows["one"]["p95_ms"] == pytest.approx(1900.0)
    assert speed_cells(rows["four"]) == [
        "2.00 (2.00 to 3.00)",
        *"2000.0 2000.0 2.00".split(),
    ]


def test_a_missing_row_says_why():
    cells = speed_cells(missing_row("no such\nthing | here"))
    assert cells == ["not measured: no such thing \\| here", "", "", ""]


def test_the_network_is_measured_in_all_forms(monkeypatch):
    """But for the compiler's minute of generating code."""
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    found = network_speed.measure(SMALL)
    assert json.loads(json.dumps(found)) == found
    rows = found["answers"]["rows"]
    assert list(rows) == [
        "straightforward",
        "readable",
        "fast",
        "fast, compiled",
        "fast, bf16",
        "fast, compiled, bf16",
        "fast, compiled and frozen, bf16",
        "ONNX Runtime, float32",
        "ONNX Runtime, int8",
        "OpenVINO, float32",
        "OpenVINO, int8",
    ]
    for name in ("readable", "fast", "fast, compiled"):
        assert rows[name]["logit_difference"] < 1e-4
    assert 0 < rows["fast, bf16"]["logit_difference"] < 0.1
    assert found["answers"]["largest_logit"] > 0.1  # a difference means something
    assert len(found["training"]["rows"]) == 4
    assert len(found["distillation"]["rows"]) == 5
    assert found["distillation"]["rows"]["straightforward, teacher asked"]["low"] == 1
    assert set(found["batches"]["rows"]) == {"batch 1", "batch 2"}
    for form in found["shares"].values():
        assert sum(form["shares"].values()) == pytest.approx(1, abs=1e-3)
    text = network_speed.table({**found, "machine": MACHINE})
    assert "a processor" in text and "nothing here is about accuracy" in text


def test_without_a_compiler_the_row_says_so():
    """Torch's own error: the name of a compiler that is nowhere."""
    from torch._inductor import config

    nowhere = {"cpp.cxx": (None, "no-such-compiler"), "force_disable_caches": True}
    network = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    with config.patch(nowhere):
        found = network_forms.compiled(network, torch.ones(2, 4), False)
    assert isinstance(found, network_forms.Missing) and "compiler" in found.reason


def test_another_error_of_the_compiler_is_not_hidden(monkeypatch):
    def fails(net):
        raise RuntimeError("something else")

    monkeypatch.setattr(torch, "compile", lambda net, **how: fails)
    with pytest.raises(RuntimeError, match="something else"):
        network_forms.compiled(nn.Linear(4, 4), torch.ones(2, 4), False)


def test_a_frozen_network_has_code_of_its_own(monkeypatch):
    """Its weights are constants of it, whatever was compiled before."""
    monkeypatch.setattr(copy, "deepcopy", lambda network: network)
    network, clip = nn.Linear(4, 4), torch.ones(2, 4)
    calls = [network_forms.compiled(network, clip, False, f) for f in (False, True)]
    if isinstance(calls[0], network_forms.Missing):
        pytest.skip(calls[0].reason)
    before = [call(clip) for call in calls]
    with torch.no_grad():
        network.weight.zero_()
    changed = [
        not torch.equal(call(clip), b) for call, b in zip(calls, before, strict=True)
    ]
    assert changed == [True, False]


def test_without_openvino_or_an_export_the_row_says_so(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openvino", None)
    for form in openvino_forms.openvino_forms(tmp_path, SMALL.clip(1)).values():
        assert form.reason == "no OpenVINO (pip install openvino)"
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=SimpleNamespace))
    for form in openvino_forms.openvino_forms(tmp_path, SMALL.clip(1)).values():
        assert "the export, which is not there" in form.reason


def test_openvino_gives_the_logits_of_onnx_runtime(tmp_path):
    pytest.importorskip("openvino", reason="a runtime that the project does not need")
    model, clip = SMALL.network(SMALL.student), SMALL.clip(1)
    ours, its = (
        list(forms.values())[0](clip)
        for forms in (
            network_forms.onnx_forms(model, clip, tmp_path),
            openvino_forms.openvino_forms(tmp_path, clip),
        )
    )
    assert torch.allclose(ours, its, atol=1e-4)


def test_a_missing_package_leaves_rows_that_name_it(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "_PACKAGES", ("onnx", "no_such_package"))
    model, clip = SMALL.network(SMALL.student), SMALL.clip(1)
    for form in network_forms.onnx_forms(model, clip, tmp_path).values():
        assert "needs no_such_package: install the extra 'deploy'" in form.reason


def test_steps_change_the_student_and_ask_the_teacher_or_not():
    from benchmarks.network_steps import _step

    student, clip = SMALL.network(SMALL.student), SMALL.clip(2)
    before = student.head.weight.clone()
    asked = []

    def teacher(clip):
        asked.append(len(clip))
        return torch.eye(len(clip), network_speed.CLASSES)

    _step(student, clip, teacher)()
    assert asked == [2] and not torch.equal(before, student.head.weight)
    assert all(p.grad is None for p in student.parameters())


def test_operators_are_told_apart_by_kind():
    told = "addmm mkldnn_convolution native_layer_norm gelu_ mul copy_ mean".split()
    assert [kind_of(f"aten::{name}") for name in told] == [*KINDS[:4], *KINDS[3:]]
    weights = torch.randn(500, 500)
    found = operator_shares(lambda: weights @ weights)
    assert found["shares"]["matrix products"] > 0.5
    assert found["milliseconds"]["convolutions"] == 0


def test_the_table_of_the_network_by_hand():
    rows = made_up("straightforward", "fast")
    group = {"rows": rows, "batch": 2, "rounds": 3}
    shares = {kind: 1 / len(KINDS) for kind in KINDS}
    answers = {**rows, "int8": missing_row("no module x")}
    answers["fast"] = {**rows["fast"], "logit_difference": 2e-6}
    found = {
        "clip": [8, 224, 224],
        "student": "a",
        "teacher": "b",
        "threads": 2,
        "machine": MACHINE,
        "answers": {"rows": answers, "rounds": 3, "largest_logit": 1.25},
        "training": group,
        "distillation": group,
        "batches": group,
        "shares": {"fast": {"shares": shares, "milliseconds": dict.fromkeys(KINDS, 7)}},
    }
    text = network_speed.table(found)
    assert "| fast | 2.00 (2.00 to 2.00) | 500.0 | 500.0 | 2.00 | 2.0e-06 |" in text
    assert "| int8 | not measured: no module x |  |  |  |  |" in text
    assert "teacher `b`, batch 2 (3 rounds)" in text
    assert "| copies | 17 %, 7 ms |" in text


def small_peers():
    return [
        peer_networks.Peer("vfl_net_lab_student", 2, 32),
        peer_networks.Peer("r3d_18", 4, 16, fixed_frames=True),
    ]


def test_peers_are_measured_on_their_own_clips_and_on_common_ones(monkeypatch):
    monkeypatch.setattr(peers, "_peak_memory", lambda *asked: 5_000_000)
    found = peers.measure(small_peers(), [(2, 32)], rounds=1)
    assert json.loads(json.dumps(found)) == found
    own, common = found["groups"][peers.OWN], found["groups"]["2 x 32 x 32"]
    assert own["vfl_net_lab_student"]["median"] == 1.0
    assert own["r3d_18"]["clip"] == "4 x 16 x 16" and own["r3d_18"]["median"] > 0
    assert common["r3d_18"] == {"missing": "it takes 4 frames alone"}
    assert len(found["seconds"]) == 2  # the first network's two clips are the same
    text = peers.table({**found, "machine": MACHINE})
    assert "nothing here is about accuracy" in text
    assert "| not measured: it takes 4 frames alone |" in text
    assert text.count("| 5 |") == 3


def test_without_thop_its_column_says_so(monkeypatch, tmp_path):
    """Absent itself, or a module that it wants."""
    monkeypatch.setitem(sys.modules, "thop", None)
    counts = peers.count_work("vfl_net_lab_student", 2, 32)
    row = {**made_up("a")["a"], "clip": "c", **counts, "peak_bytes": 0}
    assert "not installed" in peers._cells(row)
    monkeypatch.delitem(sys.modules, "thop")
    (tmp_path / "thop.py").write_text("import gone_from_python", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    counts = peers.count_work("vfl_net_lab_student", 2, 32)
    assert counts["GMACs, thop"] == "no module gone_from_python"


def test_the_counters_agree_on_our_network():
    """Two operations for a MAC; and thop sees all layers of the straightforward form,
    with the norms, which ours leaves out."""
    ours, torchs, thops = peers.count_work("vfl_net_nano", 8, 224).values()
    assert torchs == 2 * ours
    if isinstance(thops, str):
        pytest.skip(f"thop: {thops}")
    assert ours <= thops <= 1.01 * ours


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18", "mvit_v2_s"])
def test_counts_are_those_that_torchvision_publishes(name):
    (peer,) = [peer for peer in peer_networks.PEERS if peer.name == name]
    (chosen,) = torchvision.models.get_model_weights(name)
    macs = peers.count_work(name, peer.frames, peer.side)["GMACs, dvfl_lib.cost"]
    # Theirs have 400 classes.
    assert macs / 1e9 == pytest.approx(chosen.meta["_ops"], abs=2e-3)


def test_peak_memory_is_that_of_a_process_of_its_own():
    least = 8 * 64 * 64 * 3 * 4  # the clip
    grown = peers._peak_memory("vfl_net_lab_student", 8, 64, lambda: None)
    assert least < grown < 500e6


def test_clips_of_torchvisions_networks_are_those_of_their_weights():
    weights = torchvision.models.get_model_weights
    for peer in peer_networks.PEERS[4:]:
        (chosen,) = [
            w for w in weights(peer.name) if w.name.startswith("KINETICS400_V1")
        ]
        assert chosen.transforms().crop_size == [peer.side] * 2
        assert f"clip_len={peer.frames}" in chosen.meta["_docs"]


def test_the_network_of_fixed_frames_takes_no_others():
    with torch.device("meta"), torch.no_grad():
        network = peer_networks.build("mvit_v2_s")
        assert network(torch.empty(1, 3, 16, 224, 224)).shape == (1, 101)
        with pytest.raises(RuntimeError):
            network(torch.empty(1, 3, 8, 224, 224))


@pytest.mark.parametrize(
    "module", [network_speed, network_speed_2, network_memory, agreement, peers]
)
def test_readme_shows_the_stored_table(module):
    name = module.NAME
    shown = README.partition(f"<!-- {name}:begin -->")[2]
    shown = shown.partition(f"<!-- {name}:end -->")[0].strip()
    if (stored.RESULTS / f"{name}.json").exists():
        assert shown == module.table(stored.read_result(name)).strip()
    else:
        assert shown.startswith("No result stored yet")


def rest(text):
    """A README without the row and the table of ``peers``."""
    before, _, after = text.partition("<!-- peers:begin -->")
    lines = [line for line in before.splitlines() if "| `peers` |" not in line]
    return lines, after.partition("<!-- peers:end -->")[2]


def test_a_stored_table_takes_its_place_in_readme(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text(README, "utf-8")
    monkeypatch.setattr(stored, "README", page)
    stored.write_table("peers", "| a |\n|---|\n")
    text = page.read_text("utf-8")
    assert "<!-- peers:begin -->\n\n| a |\n|---|\n\n<!-- peers:end -->" in text
    rows = [line for line in text.splitlines() if line.startswith("| `peers` |")]
    assert len(rows) == 1 and "no result stored yet" not in rows[0]
    assert rest(text) == rest(README)
    with pytest.raises(ValueError, match="other:begin"):
        stored.write_table("other", "")


def test_one_command_measures_stores_and_shows(tmp_path, monkeypatch, capsys):
    """The real ``main`` on small sizes: the file, README's table, what is printed."""
    page = tmp_path / "README.md"
    page.write_text(README, "utf-8")
    monkeypatch.setattr(stored, "README", page)
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    monkeypatch.setattr(network_speed, "sizes_here", lambda *rounds: SMALL)
    monkeypatch.setattr(network_speed.os, "cpu_count", torch.get_num_threads)
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    monkeypatch.setattr(sys, "argv", ["network_speed"])
    network_speed.main()
    told = capsys.readouterr().out.strip()
    assert told in page.read_text("utf-8")
    assert stored.read_result("network_speed")["standin"] is True
    monkeypatch.setattr(sys, "argv", ["network_speed", "--show"])
    monkeypatch.setattr(network_speed, "measure", None)  # it runs nothing
    network_speed.main()
    assert capsys.readouterr().out.strip() == told


def test_memory_of_each_form_in_a_process_of_its_own():
    groups = {"answers": ("fast",), "training": ("straightforward", "fast, bf16")}
    found = network_memory.measure(SMALL, groups)
    counts = found["bytes"]
    assert 0 < counts["answers"]["fast"] < counts["training"]["straightforward"]
    text = network_memory.table({**found, "machine": MACHINE})
    assert "| straightforward | 1.00 |" in text and "A step of a training" in text


def test_a_form_that_fails_in_its_process_says_so():
    found = network_memory.measure(SMALL, {"training": ("no such form",)})
    assert "no such form" in found["bytes"]["training"]["no such form"]
    text = network_memory.table({**found, "machine": MACHINE})
    assert "| no such form | not measured: training: no such form failed" in text
