"""Files that were cut, changed or made to do harm: one kind of error, in words."""

import json
import os
import zipfile

import numpy as np
import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import load_record, save_record
from dvfl_lib.explorer.validation import validate
from small_record import small_record

NO_RECORD = "no record of the explorer"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small record's file."""
    record = small_record((2, 32, 32), grid=1, regions=1, title="noise", label="run")
    return save_record(record, tmp_path_factory.mktemp("saved") / "clip.npz")


@pytest.fixture(scope="module")
def arrays(saved):
    with np.load(saved) as file:
        return dict(file)


@pytest.fixture
def load(tmp_path):
    """Save arrays as a file and load it as a record."""

    def loaded(arrays, told=None):
        if told is not None:
            about = json.dumps(told).encode()
            arrays = arrays | {"about": np.frombuffer(about, np.uint8)}
        np.savez(tmp_path / "clip.npz", **arrays)
        return load_record(tmp_path / "clip.npz")

    return loaded


def description(arrays):
    return json.loads(arrays["about"].tobytes())


@pytest.mark.nightly
def test_changed_bytes_raise_one_kind_of_error(saved, tmp_path):
    content, path, refused = saved.read_bytes(), tmp_path / "clip.npz", 0
    random = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(content)
        # Where a zip file is most easily hurt: its beginning and its list at the end.
        part = random.choice([len(content), 200, -3000])
        for at in random.integers(0, abs(part), 3):
            changed[at if part > 0 else -at - 1] = random.integers(256)
        path.write_bytes(changed)
        try:
            validate(load_record(path))
        except DVFLError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 150


@pytest.mark.nightly
def test_changed_arrays_raise_one_kind_of_error(arrays, load):
    """With right checksums, so that a change arrives: float16 may become NaN."""
    random, refused = np.random.default_rng(0), 0
    names = [name for name in arrays if name != "about"]
    for _ in range(100):
        name = random.choice(names)
        content = bytearray(arrays[name].tobytes())
        for at in random.integers(0, len(content), 20):
            content[at] = random.choice([0, 255, 124, 127, random.integers(256)])
        changed = np.frombuffer(content, arrays[name].dtype)
        try:
            validate(load(arrays | {name: changed.reshape(arrays[name].shape)}))
        except DVFLError as error:
            refused += 1
            assert "record the clip again" in str(error)
    assert refused > 30


def leaves(told, at=()):
    """The place of every value in a description, lists and dictionaries too."""
    yield at
    parts = told.items() if isinstance(told, dict) else enumerate(told)
    for key, value in parts:
        if isinstance(value, (dict, list)):
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key)


def changed_at(told, at, value):
    told = json.loads(json.dumps(told))
    inner = told
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return told


@pytest.mark.nightly
def test_a_changed_description_raises_one_kind_of_error(arrays, load):
    told = description(arrays)
    odd = (None, True, -1, 10**30, 1.5, "", "abc", [], [1], {}, [[[]]], 1e308)
    places = [at for at in leaves(told) if at]
    random, refused = np.random.default_rng(0), 0
    for number in random.integers(len(places), size=120):
        changed = changed_at(told, places[number], odd[random.integers(len(odd))])
        try:
            validate(load(arrays, changed))
        except DVFLError as error:
            refused += 1
            assert "record the clip again" in str(error)
    assert refused > 80


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("networks",), []),
        (("networks", 0, "blocks"), []),
        (("networks", 1, "name"), "student"),
        (("networks", 1, "blocks", 1, "place"), [1, 1]),
        (("networks", 0, "blocks", 0, "levels"), 0),
        (("networks", 0, "blocks", 0, "levels"), -3),
        (("networks", 0, "blocks", 0, "levels"), 10**9),
        (("networks", 0, "blocks", 0, "scales", "q"), [float("nan"), 1.0]),
        (("networks", 0, "blocks", 0, "scales", "q"), [0.0, 1e300]),
        (("networks", 0, "blocks", 0, "scales", "q"), [0.0, -1.0]),
        (("classes",), "abc"),
        (("title",), 3),
        (("label",), "swim"),
        (("version",), None),
        (("version",), [[2]]),
    ],
)
def test_what_contradicts_itself_is_refused(arrays, load, at, value):
    told = changed_at(description(arrays), at, value)
    with pytest.raises(DVFLError, match="record the clip again"):
        load(arrays, told)


def test_arrays_of_another_form_are_refused(arrays, load):
    told = description(arrays)
    load(arrays, told)  # as it is
    for name in ("frames", "n0.logits", "n0.b0.q", "n0.r1.tokens", "n0.r1.1"):
        whole = arrays[name]
        for wrong in (
            whole.astype(np.float64),
            whole.astype(np.complex64),
            whole.astype("U9"),
            whole[..., :1],
            whole[:0],
            whole[None],
        ):
            with pytest.raises(DVFLError, match=NO_RECORD):
                load(arrays | {name: wrong})
        rest = {key: value for key, value in arrays.items() if key != name}
        with pytest.raises(DVFLError, match=NO_RECORD):
            load(rest)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": NaN}', "{", "\xff", "7"])
def test_strange_json_is_refused(arrays, load, text):
    about = np.frombuffer(text.encode("latin-1"), np.uint8)
    with pytest.raises(DVFLError, match=NO_RECORD):
        load(arrays | {"about": about})


def member(header: str, rest: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An .npy file with a header of any words."""
    text = header.encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + rest


@pytest.mark.parametrize(
    "content",
    [
        member("{'descr': '|u1', 'fortran_order': False, 'shape': (10**15,)}"),
        member(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**15},)}}"),
        member(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -4)}", rest=b"4"
        ),
        member("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        member("{'descr': '|V0', 'fortran_order': False, 'shape': (9,)}"),
        member("{'descr': '''"),
        member("(" * 5000),
        member("x" * 20_000),
        member("{}", version=b"\x09\x00"),
        b"no array at all",
        b"",
    ],
)
def test_strange_arrays_are_refused(tmp_path, content):
    path = tmp_path / "clip.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("about.npy", content)
    with pytest.raises(DVFLError, match=NO_RECORD):
        load_record(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "clip.npz", "w", method) as file:
        file.writestr("about.npy", b"")
    with pytest.raises(DVFLError, match=NO_RECORD):
        load_record(tmp_path / "clip.npz")


def test_a_small_file_that_unpacks_to_much_is_refused_unread(saved, tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):  # together 96 MiB, each below the bound
            file.writestr(f"{number}.npy", bytes(2**25))
    assert path.stat().st_size < 2**18
    with pytest.raises(DVFLError, match="unpacks to 0.09 GiB, more than memory=0.05"):
        load_record(path, memory=0.05)
    with pytest.raises(DVFLError, match=NO_RECORD):
        load_record(path)  # read, and no record
    with pytest.raises(DVFLError, match="more than memory=1e-06"):
        load_record(saved, memory=1e-6)


def test_an_encrypted_file_is_refused(saved, tmp_path):
    content = bytearray(saved.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1  # the mark of an encrypted member, in the list at the end
    (tmp_path / "clip.npz").write_bytes(content)
    with pytest.raises(DVFLError, match=NO_RECORD):
        load_record(tmp_path / "clip.npz")


def test_folders_and_locked_files_are_called_so(saved, tmp_path, monkeypatch):
    with pytest.raises(DVFLError, match="is a folder"):
        load_record(tmp_path)
    for path in ("", "a\0b", "~nobody-there/x.npz", 3):
        with pytest.raises(DVFLError, match="load_record"):
            load_record(path)
    locked = tmp_path / "locked.npz"
    locked.write_bytes(saved.read_bytes())
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # an administrator may read everything
        refuse = PermissionError(13, "Permission denied")
        monkeypatch.setattr(
            "pathlib.Path.open", lambda *a, **k: (_ for _ in ()).throw(refuse)
        )
    with pytest.raises(DVFLError, match="cannot be read: Permission denied"):
        load_record(locked)
