"""A record is packed once, for page, widget and file; what enters is checked."""

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import load_record, packing, save_record
from dvfl_lib.explorer.packing import pack_record
from small_record import small_networks, small_record

KINDS = {"u1": "u1", "u2": "<u2", "f4": "<f4"}
CLASSES = ["jump", "run", "sit"]
PARTS = ("q", "m_space", "m_time", "product")


def array(told, raw):
    """As front/record.js reads one."""
    count = int(np.prod(told["shape"]))
    kept = np.frombuffer(raw, KINDS[told["kind"]], count, told["at"])
    return kept.reshape(told["shape"]) * told["step"] + told["base"]


@pytest.fixture(scope="module")
def record():
    return small_record(title="noise", label="run", about={"student": "untrained"})


@pytest.fixture(scope="module")
def saved(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "clip.dvfl"
    return save_record(record, path).read_bytes()


def maps_of(entry):
    """Every array of numbers of a network's record."""
    for block in entry.maps:
        yield from (getattr(block, part) for part in PARTS)
        yield from block.rest.values()
        yield from block.gates.values()
        yield from (z for levels in block.contexts.values() for z in levels)
    yield from entry.cams


def test_saved_and_read_again_it_is_the_same_to_the_step(record, saved, tmp_path):
    path = tmp_path / "clip.dvfl"
    path.write_bytes(saved)
    again = load_record(path)
    for name in ("title", "classes", "label", "standin"):
        assert getattr(again, name) == getattr(record, name)
    assert np.array_equal(again.frames, record.frames)
    for new, old in zip(again.networks, record.networks, strict=True):
        assert (new.name, new.about) == (old.name, old.about)
        assert new.maps.places == old.maps.places
        assert np.array_equal(new.logits, old.logits)
        for a, b in zip(maps_of(new), maps_of(old), strict=True):
            assert a.shape == b.shape and a.dtype == np.float32
            assert np.abs(a - b).max() <= 0.51 / 65535 * np.ptp(b) + 1e-7 * b.max()
        for a, b in zip(new.reach, old.reach, strict=True):
            assert a.sources == b.sources and np.array_equal(a.tokens, b.tokens)
            assert all(map(np.array_equal, a.maps, b.maps))
    # What is saved twice stays what it was.
    twice = load_record(save_record(again, path)).networks
    for a, b in zip(twice, again.networks, strict=True):
        assert all(map(np.array_equal, maps_of(a), maps_of(b)))


def test_the_description_leads_to_every_array(record):
    told, raw = pack_record(record, exact=True)
    assert np.array_equal(array(told["frames"], raw), record.frames)
    assert array(told["luts"]["amount"], raw)[0].tolist() == [0, 34, 77]  # cividis
    for entry, network in zip(record.networks, told["networks"], strict=True):
        assert network["weights"] is None and network["kernel"] is False
        for block, at in zip(entry.maps, network["blocks"], strict=True):
            for key, part in zip(("q", "space", "time", "product"), PARTS, strict=True):
                assert np.array_equal(array(at[key], raw), getattr(block, part))
            for key in ("space", "time"):
                assert np.array_equal(array(at["gates"][key], raw), block.gates[key])
                assert np.array_equal(array(at["rest"][key], raw), block.rest[key])
            assert at["covered"] == [32, 32] and at["size"] == list(block.size)
            assert at["rest"]["product"]["at"] % 4 == 0
    assert told["networks"][0]["colour"] == "#D55E00"
    json.dumps(told, allow_nan=False)


def test_weights_go_in_exact_or_in_fine_steps_and_only_as_far_as_there_is_room(
    record, monkeypatch
):
    networks = small_networks()
    for exact, error in ((True, 0.0), (False, 2e-5)):
        told, raw = pack_record(record, networks, exact=exact, kernel=True)
        for entry in told["networks"]:
            state = networks[entry["name"]].state_dict()
            tensors = entry["weights"]["tensors"]
            assert list(tensors) == list(state) and entry["kernel"] is True
            assert entry["weights"]["config"]["embed_dim"] in (16, 32)
            for key, value in state.items():
                gap = np.abs(array(tensors[key], raw) - value.numpy()).max()
                assert gap <= error * np.ptp(value.numpy())
    monkeypatch.setattr(packing, "MOST_WEIGHTS", 200_000)
    told, _ = pack_record(record, networks)
    assert [bool(e["weights"]) for e in told["networks"]] == [True, False]
    assert told["networks"][1]["config"]["embed_dim"] == 32

    student = networks["student"]
    with student.head.register_forward_hook(lambda module, given, output: -output):
        assert pack_record(record, networks)[0]["networks"][0]["weights"] is None
    assert pack_record(record, networks)[0]["networks"][0]["weights"]
    student.__class__ = type("Other", (type(student),), {})  # may compute anything
    assert pack_record(record, networks)[0]["networks"][0]["weights"] is None


def test_numbers_that_are_none_are_refused(record, tmp_path):
    entry = record.networks[0]
    cam = np.full_like(entry.cams[0], np.nan)
    broken = replace(record, networks=(replace(entry, cams=(cam, *entry.cams[1:])),))
    with pytest.raises(DVFLError, match="NaN or infinite"):
        save_record(broken, tmp_path / "clip.dvfl")


# --- files that were cut, changed or made to do harm -------------------------


def refused(tmp_path, content, says="is no record of the explorer, or is damaged", **m):
    path = tmp_path / "clip.dvfl"
    path.write_bytes(content)
    with pytest.raises(DVFLError, match=says) as caught:
        load_record(path, **m)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def opened(saved):
    """What stands before the packed part, the description, and the bytes."""
    mark, _, packed = saved.partition(b"\n")
    text, _, raw = zlib.decompress(packed).partition(b"\n")
    return mark + b"\n", json.loads(text), raw


def closed(mark, told, raw):
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    return mark + zlib.compress(text + b"\n" + raw)


def test_what_is_no_whole_file_is_refused(saved, tmp_path):
    for content in (b"", b"hello", saved[:20], saved[:-5], saved[: len(saved) // 2]):
        refused(tmp_path, content)
    mark, told, raw = opened(saved)
    refused(tmp_path, closed(mark, told, raw[:-1000]))
    refused(tmp_path, closed(mark, b"[" * 100_000, raw))
    refused(tmp_path, closed(mark, told | {"version": 99}, raw), "another version")
    refused(tmp_path, saved, "more than memory=1e-05 GiB", memory=1e-5)
    with pytest.raises(DVFLError, match="cannot be read: Is a directory"):
        load_record(tmp_path)
    with pytest.raises(DVFLError, match="cannot be read: No such file"):
        load_record(tmp_path / "none")


BLOCK = ("networks", 0, "blocks", 0)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("networks",), []),
        (("networks", 1, "name"), "student"),
        (("networks", 0, "logits"), [1.0, 2.0]),
        (("networks", 0, "blocks"), []),
        (("networks", 0, "blocks", 1, "stage"), 1),
        ((*BLOCK, "levels"), 10**9),
        ((*BLOCK, "levels"), -3),
        (("networks", 1, "blocks", 3, "stage"), 10**9),
        ((*BLOCK, "size"), [3, 9, 8]),
        ((*BLOCK, "q", "at"), -2),
        ((*BLOCK, "q", "at"), 10**12),
        ((*BLOCK, "q", "kind"), "u1"),
        ((*BLOCK, "q", "kind"), "O"),
        ((*BLOCK, "q", "step"), None),
        ((*BLOCK, "q", "base"), 1e300),
        ((*BLOCK, "q", "base"), float("nan")),
        ((*BLOCK, "reach", "tokens"), [[0, 0, 99]] * 12),
        (("frames", "shape"), [3, 32, 32]),
        (("classes",), "abc"),
        (("title",), 3),
        (("title",), "\ud800"),
        (("label",), "swim"),
        (("standin",), "no"),
    ],
)
def test_what_contradicts_itself_is_refused(saved, tmp_path, at, value):
    mark, told, raw = opened(saved)
    inner = told
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    refused(tmp_path, closed(mark, told, raw))


def test_arrays_that_share_their_bytes_are_refused(saved, tmp_path):
    """A small file of many descriptions would fill the memory."""
    mark, told, raw = opened(saved)
    (first, *_), blocks = told["networks"], []
    for number in range(1, 30):
        blocks.append(first["blocks"][0] | {"block": number, "reach": None})
    told["networks"] = [first | {"blocks": blocks}]
    refused(tmp_path, closed(mark, told, raw[: len(raw) // 20]))


@pytest.mark.nightly
def test_changed_bytes_raise_one_kind_of_error(saved, tmp_path):
    mark, told, raw = opened(saved)
    content = json.dumps(told).encode() + b"\n" + raw
    random, found = np.random.default_rng(0), 0
    for _ in range(300):
        changed = bytearray(content)
        for at in random.integers(0, len(content) - len(raw), 3):
            changed[at] = random.integers(256)
        path = tmp_path / "clip.dvfl"
        path.write_bytes(mark + zlib.compress(bytes(changed), 1))
        try:
            pack_record(load_record(path))  # what is taken can be shown
        except DVFLError as error:
            found += 1
            assert str(path) in str(error)
    assert found > 100
