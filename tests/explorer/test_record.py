"""A record is made once, saved small, read back equal, and never executed."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from dvfl_lib.capture import answer_to, capture_maps, grad_cam
from dvfl_lib.capture.interventions import frozen
from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import load_record, record_clip, save_record
from dvfl_lib.explorer.record import rank_correlation, softened
from dvfl_lib.explorer.recording import usual_tokens
from dvfl_lib.video.transforms import normalise
from small_record import NETWORKS, noise, small_networks

pytestmark = pytest.mark.quick
CLASSES = ("jump", "run", "sit")


@pytest.fixture(scope="module")
def networks():
    return {NETWORKS[role]: model for role, model in small_networks().items()}


@pytest.fixture(scope="module")
def frames():
    return noise()


@pytest.fixture(scope="module")
def record(networks, frames):
    more = {"title": "a <b>", "label": "run", "standin": True, "grid": 2, "regions": 2}
    return record_clip(frames, networks, CLASSES, **more)


def test_a_record_holds_what_the_networks_did(record, networks, frames):
    clip = normalise(frames)[None]
    assert np.array_equal(record.frames, frames.permute(0, 2, 3, 1).numpy())
    for name, model in networks.items():
        entry = record.network(name)
        maps = capture_maps(model, clip)
        assert np.array_equal(entry.logits, maps.logits)
        assert np.array_equal(entry.maps.at(2).product, maps.at(2).product)
        cams = grad_cam(model, clip, int(maps.logits.argmax()))
        for number, place in enumerate(maps.places):
            assert np.array_equal(entry.cams[number], cams[place])
        (still,) = (o for o in entry.outcomes if o.name == "frozen at frame 2")
        wanted = answer_to(model, clip, frozen(1))[0].numpy()
        assert np.array_equal(still.logits, wanted)


def test_reach_is_a_cross_in_the_kept_form_too(record):
    reach = record.network("vfl_net_lab_student").reach[0]
    assert reach.sources == ((1, 1),) and len(reach.tokens) == 3 * 2 * 2
    for number, (t, y, x) in enumerate(reach.tokens):
        cross = np.zeros((3, 8, 8), bool)
        cross[t] = True
        cross[:, y, x] = True
        assert np.array_equal(reach.maps[0][number] > 0, cross)
        assert reach.maps[0][number].max() == 255
        assert reach.reached(number) == (8 * 8 + 2,)
    last = record.network("vfl_net_lab_teacher").reach[3]
    assert last.sources == ((3, 2), (3, 1), (2, 1), (1, 1))


def test_the_nearest_kept_token_is_of_the_same_frame(record):
    reach = record.network("vfl_net_lab_student").reach[0]
    assert reach.tokens[reach.nearest((2, 0, 7))].tolist() == [2, 2, 6]
    for number, token in enumerate(reach.tokens):
        assert reach.nearest(tuple(token)) == number


def test_usual_tokens_lie_within_the_map():
    assert usual_tokens((1, 2, 2), 4) == [(0, y, x) for y in (0, 1) for x in (0, 1)]
    assert usual_tokens((1, 16, 16), 2) == [(0, y, x) for y in (4, 12) for x in (4, 12)]
    assert usual_tokens((2, 3, 3), 0) == []


def test_saved_and_read_again_it_is_the_same(record, tmp_path):
    path = save_record(record, tmp_path / "clip.npz")
    again = load_record(path)
    for name in ("title", "classes", "label", "standin"):
        assert getattr(again, name) == getattr(record, name)
    assert np.array_equal(again.frames, record.frames)
    for new, old in zip(again.networks, record.networks, strict=True):
        assert (new.name, new.about) == (old.name, old.about)
        assert np.array_equal(new.logits, old.logits)
        for a, b in zip(new.maps, old.maps, strict=True):
            assert (a.stage, a.block, a.channels) == (b.stage, b.block, b.channels)
            for part in ("q", "m_space", "m_time", "product"):
                close(getattr(a, part), getattr(b, part))
            for branch in ("space", "time"):
                close(a.gates[branch], b.gates[branch])
                close(a.contributions(branch), b.contributions(branch))
        for a, b in zip(new.cams, old.cams, strict=True):
            close(a, b)
        for a, b in zip(new.reach, old.reach, strict=True):
            assert a.sources == b.sources and np.array_equal(a.tokens, b.tokens)
            assert all(
                np.array_equal(c, d) for c, d in zip(a.maps, b.maps, strict=True)
            )
        for a, b in zip(new.outcomes, old.outcomes, strict=True):
            assert (a.kind, a.name) == (b.kind, b.name)
            assert np.array_equal(a.logits, b.logits)


def close(new, old):
    """Half precision: a thousandth of the largest value."""
    assert new.shape == old.shape
    assert np.abs(new - old).max() <= 1e-3 * np.abs(old).max()


def test_what_is_no_record_is_refused_in_words(record, tmp_path):
    with pytest.raises(DVFLError, match="there is no file"):
        load_record(tmp_path / "none.npz")
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(DVFLError, match="no record of the explorer"):
        load_record(text)
    whole = save_record(record, tmp_path / "whole.npz").read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(DVFLError, match="no record of the explorer"):
            load_record(tmp_path / "cut.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DVFLError, match="no record of the explorer"):
        load_record(tmp_path / "other.npz")


def test_pickles_are_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    trap = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "trap.npz", about=trap, frames=trap)
    with pytest.raises(DVFLError, match="no record of the explorer"):
        load_record(tmp_path / "trap.npz")
    assert not (tmp_path / "sprung").exists()


def test_another_version_is_named(record, tmp_path):
    path = save_record(record, tmp_path / "clip.npz")
    with np.load(path) as file:
        arrays = dict(file)
    told = json.loads(arrays["about"].tobytes()) | {"version": 99}
    arrays["about"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(DVFLError, match="another version .99"):
        load_record(path)
    assert zipfile.is_zipfile(path)


def test_a_nearly_flat_map_keeps_its_steps(record, tmp_path):
    """As a modulator at rest: near one number, and what is of interest is the rest."""
    entry = record.networks[0]
    block, noise = entry.maps.blocks[0], np.random.default_rng(0).random((3, 8, 8))
    flat = (1 + 1e-4 * noise).astype(np.float32)
    signed = block.gates["time"].copy()
    signed.flat[:3] = (1e-6, -1e-6, 0.0)
    gates = {"space": -1 - flat[None].repeat(3, 0), "time": signed}
    blocks = (replace(block, product=flat, gates=gates), *entry.maps.blocks[1:])
    entry = replace(entry, maps=replace(entry.maps, blocks=blocks))
    path = save_record(replace(record, networks=(entry,)), tmp_path / "clip.npz")
    again = load_record(path).networks[0].maps.at(1)
    assert np.abs(again.product - flat).max() < 1e-3 * np.ptp(flat)
    assert np.abs(again.gates["space"] - gates["space"]).max() < 1e-3 * np.ptp(flat)
    assert np.array_equal(np.sign(again.gates["time"]), np.sign(signed))


def test_what_is_saved_twice_stays_the_same(record, tmp_path):
    once = load_record(save_record(record, tmp_path / "once.npz"))
    twice = load_record(save_record(once, tmp_path / "twice.npz"))
    for new, old in zip(twice.networks, once.networks, strict=True):
        for a, b in zip(new.maps, old.maps, strict=True):
            assert np.allclose(a.product, b.product, rtol=1e-6)
            assert np.allclose(a.gates["space"], b.gates["space"], rtol=1e-6)


def test_softened_probabilities():
    logits = np.array([1.0, 2.0, 1000.0])
    assert softened(logits, 1.0).tolist() == [0.0, 0.0, 1.0]
    assert np.allclose(softened(logits, 1e9), 1 / 3)
    assert np.allclose(softened(np.log([1.0, 4.0]), 2.0), [1 / 3, 2 / 3])
    with pytest.raises(DVFLError, match="above 0"):
        softened(logits, 0.0)


def test_rank_correlation_on_cases_known_by_hand():
    rising = np.arange(8.0).reshape(2, 2, 2)
    assert rank_correlation(rising, rising**3) == pytest.approx(1.0)
    assert rank_correlation(rising, -rising) == pytest.approx(-1.0)
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with one pair of neighbours swapped
    swapped = rising.ravel().copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    wanted = 1 - 6 * 2 / (8 * 63)
    assert rank_correlation(rising, swapped.reshape(2, 2, 2)) == pytest.approx(wanted)
    tied = np.array([1.0, 1.0, 2.0, 3.0]).reshape(1, 2, 2)
    other = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2)
    assert rank_correlation(tied, other) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert np.isnan(rank_correlation(rising, np.ones((2, 2, 2))))
    fine = rising.repeat(2, axis=1).repeat(2, axis=2)
    assert rank_correlation(fine, rising) == pytest.approx(1.0)
    with pytest.raises(DVFLError, match="cannot be compared"):
        rank_correlation(np.ones((2, 3, 3)), np.ones((2, 2, 2)))
