"""The measurement of all sizes of our network, as short as it can be."""

import json

import torch

from benchmarks import variants
from benchmarks.network_speed import Sizes
from dvfl_lib.deployment import packages
from dvfl_lib.vfl_net import VARIANTS as SIZES

NAMES = ("vfl_net_lab_student", "vfl_net_lab_teacher")
SMALL = Sizes(frames=2, side=32, batches=(1, 2), rounds=2)


def test_every_network_is_measured_in_every_form(monkeypatch):
    """But for the compiler's minute of generating code."""
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    found = variants.measure(NAMES, SMALL)
    assert json.loads(json.dumps(found)) == found
    assert list(found["variants"]) == [*NAMES]
    student, teacher = found["variants"].values()
    assert student["parameters"] < teacher["parameters"]
    assert student["GMACs, dvfl_lib.cost"] < teacher["GMACs, dvfl_lib.cost"]
    for one in (student, teacher):
        assert one["rows"]["straightforward"]["median"] == 1
        for form in variants.TAKES_MORE:
            batch, per_second = one["rows"][form]["best"]
            assert batch in (1, 2)
            assert per_second >= one["rows"][form]["clips_per_second"]
        assert "fast, batch 2" in one["seconds"]
        assert "fast, batch 2" not in one["rows"]
        assert "best" not in one["rows"]["fast, compiled"]
    text = variants.table({**found, "machine": {"gpu": None, "processor": "one"}})
    assert "Clips 2 x 32 x 32, on one" in text and "Batches tried: 1, 2" in text
    assert text.count("| straightforward | 1.00") == 2
    assert text.count(" M parameters; ") == 2


def test_a_form_that_cannot_run_has_a_row_that_says_why(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    monkeypatch.setattr(packages, "_PACKAGES", ("onnx", "no_such_package"))
    found = variants.measure(NAMES[:1], SMALL)
    rows = found["variants"][NAMES[0]]["rows"]
    assert "needs no_such_package" in rows["ONNX Runtime, int8"]["missing"]
    text = variants.table({**found, "machine": {"gpu": "a GPU"}})
    assert "on a GPU;" in text and "| not measured: " in text


def test_all_published_sizes_are_measured():
    assert set(variants.VARIANTS) == {n for n in SIZES if "_lab_" not in n}
