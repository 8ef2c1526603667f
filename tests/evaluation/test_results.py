"""A result is saved, loaded, joined; what is damaged is named."""

import json

import numpy as np
import pytest

from dvfl_lib.errors import DatasetError, RunDirectoryError
from dvfl_lib.evaluation import Evaluation, concatenate
from small_results import on_split, one_hot, result

pytestmark = pytest.mark.quick


def test_saved_and_loaded_results_are_equal(tmp_path):
    rng = np.random.default_rng(0)
    before = result(
        rng.random((9, 6), dtype=np.float32),
        rng.integers(0, 6, 9),
        unreadable=("v_x.avi: empty",),
    )
    path = before.save(tmp_path / "results" / "student.json")
    after = Evaluation.load(path)
    assert np.array_equal(after.probabilities, before.probabilities)
    assert after.to_json() == before.to_json()
    names = {p.name for p in path.parent.iterdir()}
    assert names == {"student.json", "student.safetensors"}


def test_json_tells_units_counts_and_the_stand_in(tmp_path):
    probabilities = one_hot([0, 1, 1, 2], k=6)
    path = result(probabilities, [0, 1, 2, 2]).save(tmp_path / "r.json")
    told = json.loads(path.read_text())
    assert told["standin"] is True
    assert told["top1"]["percent"] == 75 and told["top1"]["n"] == 4
    low, high = told["top1"]["interval_95_wilson_percent"]
    assert 0 < low < 75 < high < 100
    assert told["per_class"][5]["percent"] is None
    assert told["confusion"]["counts"][2] == [0, 1, 1, 0, 0, 0]
    assert told["videos"][2] == {"name": "v_2.avi", "label": 2, "predicted": 1}
    assert told["views"]["short_side"] == 224


def test_missing_and_damaged_results_are_named(tmp_path):
    with pytest.raises(RunDirectoryError, match="nowhere.json cannot be read"):
        Evaluation.load(tmp_path / "nowhere.json")
    path = result(one_hot([0, 1]), [0, 1]).save(tmp_path / "r.json")
    tensors = path.with_suffix(".safetensors")
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + b"\x00")
    with pytest.raises(RunDirectoryError, match="does not belong to r.json"):
        Evaluation.load(path)
    tensors.unlink()
    with pytest.raises(RunDirectoryError, match="r.safetensors cannot be read"):
        Evaluation.load(path)
    for text in ("{", "[]", '{"format": "other"}'):
        path.write_text(text)
        with pytest.raises(RunDirectoryError, match="not a result of this library"):
            Evaluation.load(path)


def test_a_result_follows_no_path_out_of_its_folder(tmp_path):
    path = result(one_hot([0, 1]), [0, 1]).save(tmp_path / "inside" / "r.json")
    told = json.loads(path.read_text())
    told["probabilities"]["file"] = "../secret.safetensors"
    path.write_text(json.dumps(told))
    with pytest.raises(
        RunDirectoryError, match="inside.secret.safetensors cannot be read"
    ):
        Evaluation.load(path)


def test_an_unwritable_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        result(one_hot([0, 1]), [0, 1]).save(tmp_path / "file" / "r.json")


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(DatasetError, match="labels must lie"):
        result(one_hot([0, 1]), [0, 3])
    with pytest.raises(DatasetError, match="do not go with"):
        result(one_hot([0, 1]), [0])
    with pytest.raises(DatasetError, match="do not go with"):
        result([[np.nan, 1.0]], [0])


def test_lists_looked_at_together_count_each_video_once():
    one = on_split("1", 5)
    two = on_split("2", 9, videos=tuple(f"v_{n}.avi" for n in range(7, 17)))
    both = concatenate([one, two])
    assert len(both.videos) == len(set(both.videos)) == 17
    assert both.videos[:10] == one.videos and both.videos[10:] == two.videos[3:]
    assert both.top1.correct == one.top1.correct + int(two.correct[3:].sum())
    assert both.confusion.sum() == 17 and both.split == "1, 2"
    with pytest.raises(DatasetError, match="several name"):
        concatenate([one, on_split("2", 5, name="teacher")])
    with pytest.raises(DatasetError, match="no result"):
        concatenate([])
