"""Notebooks are tidied after they were executed; figures come with words."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from dvfl_lib.figures import accuracy_bars
from dvfl_lib.lessons import show
from dvfl_lib.lessons.show import tidy_notebook


def stream(text: str, name: str = "stderr"):
    return new_output("stream", name=name, text=text)


def written(tmp_path, outputs, metadata=None):
    """A notebook of one executed cell, on disk."""
    cell = new_code_cell("x", outputs=outputs, metadata={"execution": {"at": "noon"}})
    cell.metadata["tags"] = ["parameters"]
    path = tmp_path / "lesson.ipynb"
    nbformat.write(new_notebook(cells=[cell], metadata=metadata or {}), path)
    return path


def test_of_a_progress_bar_the_last_state_is_kept(tmp_path):
    bar = [stream("\rdone:   0%"), stream("\rdone:  50%"), stream("\rdone: 100%\n")]
    path = written(tmp_path, [*bar, stream("after\n", "stdout")])
    tidy_notebook(path, clean_metadata=True)
    outputs = nbformat.read(path, 4).cells[0].outputs
    assert [(o.name, o.text) for o in outputs] == [
        ("stderr", "done: 100%\n"),
        ("stdout", "after\n"),
    ]


def test_metadata_of_tools_goes_and_ours_stays(tmp_path):
    path = written(tmp_path, [], {"dvfl": {"title": "t"}, "papermill": {"a": 1}})
    tidy_notebook(path, clean_metadata=True)
    notebook = nbformat.read(path, 4)
    assert set(notebook.metadata) == {"dvfl", "language_info"}
    assert notebook.cells[0].metadata == {"tags": ["parameters"]}


def test_results_and_errors_are_left_alone(tmp_path):
    kept = [
        new_output("execute_result", data={"text/plain": "3"}, execution_count=1),
        new_output("error", ename="E", evalue="v", traceback=["t"]),
    ]
    path = written(tmp_path, kept)
    tidy_notebook(path, clean_metadata=False)
    assert [o.output_type for o in nbformat.read(path, 4).cells[0].outputs] == [
        "execute_result",
        "error",
    ]


def test_a_shown_figure_is_a_picture_with_words():
    bundle = show(accuracy_bars({"teacher": (0.9, 0.8, 0.95)}))._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    assert "teacher" in bundle["text/plain"]
