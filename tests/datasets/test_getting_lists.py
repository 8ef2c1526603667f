"""Hundreds of archives that a text file names, as those of Kinetics-400."""

import json

import pytest

from archives import tar_bytes
from bad_server import serve
from dvfl_lib.datasets.published import Archive, Benchmark, Part
from dvfl_lib.errors import DatasetError
from small_benchmark import data_in, get, small


@pytest.fixture
def server():
    with serve(b"") as told:
        yield told


@pytest.fixture
def kinetics(server) -> Benchmark:
    """Two archives of each side, named in a text file."""
    for side in ("train", "val"):
        for n in (0, 1):
            members = {f"./{side}{n}.mp4": side.encode()}
            server.files[f"{side}/part_{n}.tar.gz"] = tar_bytes(members, mode="w:gz")
        lines = [server.path(f"{side}/part_{n}.tar.gz") for n in (0, 1)]
        server.files[f"{side}/list.txt"] = "\n".join(lines).encode()
    server.files["train.csv"] = b"label,youtube_id\n"
    return small(
        server,
        Part(
            "list",
            (Archive("train.csv", (server.path("train.csv"),), "ann", packing="file"),),
        ),
        Part("train", list_address=server.path("train/list.txt"), into="train"),
        Part(
            "val",
            list_address=server.path("val/list.txt"),
            into="val",
            optional=True,
        ),
    )


def test_all_archives_of_a_list_go_into_one_folder(server, kinetics, tmp_path):
    get(kinetics, tmp_path)
    assert set(data_in(tmp_path)) == {
        "ann/train.csv",
        "train/train0.mp4",
        "train/train1.mp4",
    }
    get(kinetics, tmp_path, only=["val"])
    assert {"val/val0.mp4", "val/val1.mp4"} < set(data_in(tmp_path))
    record = json.loads((tmp_path / "archives" / "unpacked.json").read_text())
    assert set(record) >= {"train/part_0.tar.gz", "val/part_0.tar.gz"}


def test_a_list_is_gone_on_with(server, kinetics, tmp_path):
    kept = server.files.pop("train/part_1.tar.gz")
    with pytest.raises(DatasetError, match="part_1.tar.gz could not be fetched"):
        get(kinetics, tmp_path, discard=True)
    server.files["train/part_1.tar.gz"] = kept
    get(kinetics, tmp_path, discard=True)
    asked = [one["path"] for one in server.asked]
    assert asked.count("/train/part_0.tar.gz") == 1
    assert "train/train1.mp4" in data_in(tmp_path)


def test_a_side_that_was_unpacked_by_hand_is_left_alone(server, kinetics, tmp_path):
    (tmp_path / "train").mkdir()
    said = get(kinetics, tmp_path, only=["train"])
    assert "left as it is" in said[0] and not server.asked


@pytest.mark.parametrize(
    "line",
    [
        "http://127.0.0.1:1/part_0.tar.gz",
        "https://example.org/part_0.tar.gz",
        "file:///etc/hostname",
        "HERE/train/",
        "HERE/train/..",
        "HERE/train/.hidden",
        "HERE/a/part_9.tar.gz HERE/b/part_9.tar.gz",
        "\n",
    ],
)
def test_a_list_may_not_lead_elsewhere(server, kinetics, tmp_path, line):
    text = line.replace("HERE", server.address)
    server.files["train/list.txt"] = text.encode()
    with pytest.raises(DatasetError, match="list.txt.*Delete it"):
        get(kinetics, tmp_path, only=["train"])
    assert not data_in(tmp_path)
