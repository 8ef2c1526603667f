"""The machine's own rate, and two machines beside each other."""

import pytest
import torch

from benchmarks import multiplying, network_speed, network_speed_2, stored
from benchmarks.latencies import missing_row


def test_the_rates_are_those_of_the_clock(monkeypatch):
    monkeypatch.setattr(multiplying, "ROWS", 64)
    seconds = {"product": [2.0, 1.0, 4.0], "convolution": [0.5, 0.5, 0.5]}
    ran = []

    def timed(ways, rounds, warm_up):
        ran.extend(way().shape for way in ways.values())
        assert list(ways) == list(seconds) and rounds == 3
        return seconds

    monkeypatch.setattr(multiplying, "interleave", timed)
    found = multiplying.measure_rates(torch.device("cpu"), 10**9, rounds=3)
    assert ran == [(64, 512), (1, 512, 64, 1)]
    each = 64 * 512**2
    assert found["rates"] == {"product": each / 2, "convolution": each / 0.5}
    assert found["least_ms"] == pytest.approx(1000 * 10**9 / (2 * each))
    found = {"rates": {"product": 95.4e9}, "macs": 27.14e9, "least_ms": 284.6}
    said = multiplying.rates_line(found)
    assert "95 as a product. The network's 27.1 GMACs take at least 285 ms" in said


def test_both_ways_compute_the_same(monkeypatch):
    monkeypatch.setattr(multiplying, "ROWS", 64)
    kept = []

    def kept_and_timed(ways, rounds, warm_up):
        kept.extend(way() for way in ways.values())
        return {name: [1.0] for name in ways}

    monkeypatch.setattr(multiplying, "interleave", kept_and_timed)
    multiplying.measure_rates(torch.device("cpu"), 1)
    product, convolution = kept
    assert torch.allclose(product, convolution[0, :, :, 0].T, atol=1e-3)


def a_result(median, **more):
    row = {"median": median, "p50_ms": 100 / median}
    groups = ("answers", "training", "distillation")
    found = {group: {"rows": {"fast": row}, "rounds": 3} for group in groups}
    found |= {"machine": {"processor": "a processor"}, "threads": 2}
    return {**found, "date": "2026-01-01", **more}


def test_two_machines_stand_side_by_side(monkeypatch):
    rates = {"rates": {"product": 80e9}, "macs": 27e9, "least_ms": 337.5}
    first, second = a_result(1.8), a_result(1.25, multiplying=rates)
    second["training"]["rows"] = {"fast": missing_row("no memory")}
    del second["distillation"]["rows"]["fast"]
    monkeypatch.setattr(network_speed_2, "read_result", lambda name: first)
    text = network_speed_2.table(second)
    assert "| fast | 1.80, 56 ms | 1.25, 80 ms |" in text
    assert text.count("| fast | 1.80, 56 ms | not measured |") == 2
    assert text.count("take at least") == 1


def test_it_is_measured_as_the_first_is(monkeypatch):
    asked = []
    monkeypatch.setattr(
        network_speed, "measure_and_store", lambda *given: asked.append(given)
    )
    network_speed_2.main()
    assert asked == [("network_speed_2", network_speed_2.table)]
    network_speed.main()
    assert asked[1:] == [("network_speed", network_speed.table)]


def test_processors_of_one_name_are_told_apart(monkeypatch):
    lines = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: X 9\n\n"
    lines += "processor\t: 1\ncpu family\t: 26\nmodel\t\t: 18\nmodel name\t: Y\n"
    monkeypatch.setattr(stored.Path, "read_text", lambda path, encoding: lines)
    assert stored.machine()["processor"] == "X 9, family 25, model 17"
    monkeypatch.setattr(stored.Path, "read_text", lambda path, encoding: "a: b\n")
    assert stored.machine()["processor"] == stored.platform.machine()
