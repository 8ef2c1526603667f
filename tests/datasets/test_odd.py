"""What the folders and lists of every benchmark may hold besides what they should."""

import os
import shutil
import warnings
from pathlib import Path

import pytest
from dvfl_lib.datasets.unlisted import unlisted_files

from dvfl_lib.cli import _parameters, main
from dvfl_lib.datasets import create_dataset, list_datasets
from dvfl_lib.datasets.base import STANDIN_FILE
from dvfl_lib.datasets.disk import is_video
from dvfl_lib.datasets.registry import default_split
from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import plan_standin
from small_standins import SMALL

INNER = {
    "ucf101": "UCF-101",
    "ucf50": "UCF50",
    "hmdb51": "hmdb51_org",
    "ssv2": "20bn-something-something-v2",
    "kinetics400": "train",
}
LISTS = {
    "ucf101": "ucfTrainTestlist/classInd.txt",
    "hmdb51": "testTrainMulti_7030_splits/appear_test_split1.txt",
    "ssv2": "labels.json",
    "kinetics400": "annotations/train.csv",
}


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """The stand-ins' lists, and files of one byte for videos: none is read here."""
    folder = tmp_path_factory.mktemp("benchmarks")
    for name in INNER:
        plan = plan_standin(name, SMALL)
        contents = {clip.path: b"x" for clip in plan.clips} | dict(plan.lists)
        contents[STANDIN_FILE] = b'{"seed": 0}'
        for place, content in contents.items():
            (folder / name / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / place).write_bytes(content)
    return {name: folder / name for name in INNER}


@pytest.fixture
def copy(roots, tmp_path):
    """A copy of a benchmark that may be spoilt; its videos are hard links."""

    def take(source: str, target: str) -> None:
        (os.link if is_video(source) else shutil.copy)(source, target)

    def make(name: str) -> Path:
        return shutil.copytree(roots[name], tmp_path / name, copy_function=take)

    return make


def load(name: str, root: Path | str, subset: str = "train"):
    """The benchmark by its default split; what it warns of is tested elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return create_dataset(name, root, subset=subset)


# --- splits ------------------------------------------------------------------


@pytest.mark.parametrize("name", INNER)
def test_a_benchmark_has_a_split_of_its_own_where_none_is_named(roots, name, capsys):
    split = "group01" if name == "ucf50" else "1"
    assert default_split(name.upper()) == split
    for subset in ("train", "test"):
        data = load(name, roots[name], subset)
        assert data.split == split
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            named = create_dataset(name, roots[name], split, subset)
        assert data.samples == named.samples
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["data", "show", name, str(roots[name])]) == 0
    assert capsys.readouterr().out.count(f"split {split}, ") == 2


def test_a_run_takes_the_split_of_its_data_set(monkeypatch):
    asked = []
    monkeypatch.setattr("dvfl_lib.cli._train", lambda o: asked.append(o) or 0)
    for more, split in (
        (["--dataset", "ucf50"], "group01"),
        (["--dataset", "ucf101"], "1"),
        (["--dataset", "ucf50", "--split", "fold2"], "fold2"),
    ):
        assert main(["train", *more]) == 0
        assert _parameters(asked[-1])["split"] == split


def test_every_data_set_has_a_default_split():
    assert {name: default_split(name) for name in list_datasets()} == {
        **dict.fromkeys((*LISTS, "folder"), "1"),
        "ucf50": "group01",
    }
    with pytest.raises(
        DatasetError, match="no benchmark 'ucf51'. Did you mean 'ucf50'"
    ):
        default_split("ucf51")


# --- folders -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["ucf101", "ucf50", "hmdb51", "ssv2"])
def test_here_is_the_inner_folder_by_its_name(roots, name, monkeypatch):
    """The mark of a stand-in lies beside it, and so do the lists."""
    monkeypatch.chdir(roots[name] / INNER[name])
    data = load(name, ".")
    assert data.standin
    assert data.samples == load(name, roots[name]).samples


@pytest.mark.parametrize("name", INNER)
def test_a_link_to_itself_is_named_or_passed_over(copy, name):
    root = copy(name)
    whole = load(name, root).samples
    for folder in (root, root / INNER[name]):
        (folder / "loop").symlink_to("loop")
    if name in ("ucf50", "kinetics400"):  # which look into every folder
        with pytest.raises(DatasetError, match="loop: cannot be looked into"):
            load(name, root)
    else:
        assert load(name, root).samples == whole


@pytest.mark.parametrize("name", ["ucf101", "ucf50", "hmdb51"])
def test_a_link_that_leads_nowhere_is_no_clip(copy, name):
    root = copy(name)
    clip = load(name, root).samples[0].path
    clip.unlink()
    clip.symlink_to("nowhere")
    with pytest.raises(DatasetError, match="1 of .* are dead links or empty files"):
        load(name, root)


def test_another_video_among_those_of_ucf50_is_named_with_its_folder(copy):
    root = copy("ucf50")
    clip = load("ucf50", root).samples[0].path
    shutil.copy(clip, clip.with_name("holiday.avi"))
    with pytest.raises(DatasetError, match=f"{clip.parent}/holiday.avi' does not end"):
        load("ucf50", root)


# --- lists -------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_marks_and_line_ends_of_windows_change_nothing(copy, name):
    root = copy(name)
    whole = load(name, root).samples
    for file in (root / LISTS[name]).parent.iterdir():
        if file.is_file() and file.name != "STANDIN.json":
            text = file.read_text("utf-8").replace("\n", "\r\n")
            file.write_bytes(text.encode("utf-8-sig"))
    assert load(name, root).samples == whole


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", LISTS)
def test_another_encoding_is_told(copy, name, encoding):
    root = copy(name)
    file = root / LISTS[name]
    file.write_bytes(file.read_text("utf-8").encode(encoding))
    with pytest.raises(DatasetError, match=f"{file.name}: cannot be read, .*no UTF-8"):
        load(name, root)


@pytest.mark.parametrize(
    ("old", "new"), [(".avi", ".mp4"), (".avi 1", ".avi,1"), ("_g08_", "_x_")]
)
def test_names_of_another_form_are_told_with_their_list(copy, old, new):
    root = copy("ucf101")
    file = root / "ucfTrainTestlist/trainlist01.txt"
    file.write_text(file.read_text("utf-8").replace(old, new, 1))
    with pytest.raises(DatasetError, match="trainlist01.txt: .* does not end in _gNN"):
        load("ucf101", root)


def test_endless_numbers_are_no_numbers(copy):
    root = copy("ucf101")
    (root / LISTS["ucf101"]).write_text("9" * 5000 + " Rising\n")
    with pytest.raises(DatasetError, match="classInd.txt: expected '<number> <class>'"):
        load("ucf101", root)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("train", "[" * 100_000, "is not whole JSON"),
        ("labels", '{"a":' * 100_000, "is not whole JSON"),
        ("labels", '{"a": "0", "b": "1", "a": "1"}', "name is there twice: a[)]"),
        ("labels", '{"a": "%s"}' % ("9" * 5000), "'a' has no number"),
        ("labels", '{"a": NaN}', "'a' has no number: nan"),
        ("train", "[NaN]", "entry 1: has no id of digits"),
        ("train", '[{"id": NaN, "template": "a"}]', "entry 1: has no id of digits"),
        (
            "train",
            '[{"id": "1", "template": "a", "template": "b"}]',
            "there twice: template",
        ),
        ("train", '{"id": "1"}\n{"id": "2"}', "is not whole JSON .Extra data"),
    ],
)
def test_json_of_every_other_kind_is_refused(copy, name, text, says):
    root = copy("ssv2")
    (root / f"{name}.json").write_text(text, "utf-8")
    with pytest.raises(DatasetError, match=f"{name}.json.* {says}") as caught:
        load("ssv2", root)
    assert len(str(caught.value)) < 6000


def test_a_column_of_kinetics_is_named_once(copy):
    root = copy("kinetics400")
    file = root / "annotations/train.csv"
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(["label," + lines[0], *("x," + t for t in lines[1:])]))
    with pytest.raises(DatasetError, match="train.csv: names a column twice: label"):
        load("kinetics400", root)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("ssv2", "test.json", "3"),
        ("ssv2", "test.json", "[" * 100_000),
        ("kinetics400", "test.csv", "youtube_id,time_start,time_end\nx\n"),
    ],
)
def test_a_spoilt_list_of_no_side_accounts_for_nothing(tmp_path, name, file, text):
    (tmp_path / file).write_text(text)
    (tmp_path / "1.webm").touch()
    assert unlisted_files(name, tmp_path, set()) == ([tmp_path / "1.webm"], [])
