"""The trained networks of the lessons: what they say of themselves is so."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dvfl_lib.errors import LessonError, RunDirectoryError
from dvfl_lib.lessons import lesson_clip, trained, trained_network
from dvfl_lib.lessons.trained import ASSETS, CROP, FRAMES, MANIFEST, SHORT_SIDE
from dvfl_lib.recipes import EvaluateRecipe, Recipe, recipe_for
from dvfl_lib.standins import StandinSize, clip_frames, encode_clip
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import EvaluationViews, Sample
from dvfl_lib.video.sampling import segment_indices
from dvfl_lib.video.transforms import evaluation_crops, normalise
from helpers import load_script

assets = load_script("tools/train_assets.py")
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "data" / "assets"
ENTRIES = json.loads((FOLDER / MANIFEST).read_text("utf-8"))["files"]
ENTRY = ENTRIES[ASSETS["student"]]


def completed(recipe: dict) -> dict:
    """A stored recipe; what it is too old to know is as it was then, by default."""
    defaults = json.loads(json.dumps(Recipe().to_dict()))
    defaults["augment"]["jitter_per"] = "clip"
    return {
        part: {**defaults[part], **value} if isinstance(value, dict) else value
        for part, value in recipe.items()
    }


@pytest.mark.parametrize("name", ASSETS)
def test_every_network_is_the_one_that_the_manifest_describes(name):
    model, metadata = trained_network(name)
    entry = ENTRIES[ASSETS[name]]
    assert not model.training and metadata["standin"] is True
    assert metadata["classes"] == list(ACTIONS)
    assert entry["bytes"] == (FOLDER / ASSETS[name]).stat().st_size
    for key in ("seed", "clips", "test", "command", "what"):
        assert metadata[key] == entry[key]
    for key in ("epochs", "chosen_epoch"):  # the file calls the student "distilled"
        assert [*metadata[key].values()] == [*entry[key].values()]
        assert set(entry[key]) <= set(ASSETS)
    recipe = recipe_for("demo", assets.OVERRIDES).to_dict()
    assert json.loads(json.dumps(recipe)) == completed(metadata["recipe"])
    assert entry["overrides"] == assets.OVERRIDES and entry["seed"] == assets.SEED
    assert entry["what"].startswith(assets.WHAT[name])


def test_the_student_s_teacher_is_the_one_beside_it():
    teacher = ENTRIES[ASSETS["teacher"]]
    assert teacher["test"]["top1"] == ENTRY["test"]["top1_teacher"]
    assert set(ENTRIES) == {*ASSETS.values()}


def test_clips_are_cut_as_the_student_saw_them():
    data = recipe_for("demo", assets.OVERRIDES).data
    assert (data.frames, data.crop) == (FRAMES, CROP)
    assert data.short_side == SHORT_SIDE
    assert data.sampling == "segments"  # as lesson_clip samples


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """The folder of assets, to be spoiled."""
    monkeypatch.setattr(trained, "assets_folder", lambda: tmp_path / "assets")
    return Path(shutil.copytree(FOLDER, tmp_path / "assets"))


def test_a_changed_file_is_refused(copy):
    file = copy / ASSETS["student"]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(LessonError, match="its SHA-256 is.*'make assets'"):
        trained_network("student")


@pytest.mark.parametrize(
    ("name", "text"),
    [(MANIFEST, None), (ASSETS["student"], None), (MANIFEST, "{"), (MANIFEST, "[]")],
)
def test_a_missing_or_damaged_file_is_named(copy, name, text):
    (copy / name).unlink()
    if text:
        (copy / name).write_text(text)
    with pytest.raises(LessonError, match=f"not there, or.*{name}.*'make assets'"):
        trained_network("student")


@pytest.mark.parametrize("side, short_side", [(64, 72), (80, 90), (33, 37)])
def test_a_clip_is_made_by_the_steps_of_the_evaluation(side, short_side):
    video = clip_frames(0, StandinSize(), "Rising", 3, 2)
    chosen = torch.from_numpy(video[segment_indices(len(video), 8)])
    crops = evaluation_crops(chosen.permute(0, 3, 1, 2), short_side, side)
    clip = lesson_clip("Rising", group=3, clip=2, side=side)
    assert clip.dtype == torch.uint8 and clip.shape == (8, 3, side, side)
    assert torch.equal(normalise(clip), crops[0])


def test_a_clip_is_that_of_the_stand_in_but_for_its_encoding(tmp_path):
    path = tmp_path / "v_Swelling_g02_c01.avi"
    encode_clip(path, clip_frames(0, StandinSize(), "Swelling", 2, 1))
    evaluate = EvaluateRecipe(clips=1, crops=1, short_side=SHORT_SIDE)
    data = recipe_for("demo", assets.OVERRIDES).data
    views = EvaluationViews([Sample(path, 0, "g02", path.name)], data, evaluate)
    ours = normalise(lesson_clip("Swelling", group=2))
    gap = (views[0]["views"][0] - ours).abs()
    assert gap.mean() < 0.1  # of a standard deviation of ImageNet's pixels
    assert gap.mean() < 0.2 * (ours - ours.mean(0)).abs().mean() + 0.1


def test_clips_differ_by_each_of_their_names():
    clip = lesson_clip("Rising")
    assert torch.equal(clip, lesson_clip("Rising", group=1, clip=1))
    for other in ({"action": "Sinking"}, {"group": 2}, {"clip": 2}):
        assert not torch.equal(clip, lesson_clip(**{"action": "Rising", **other}))
    clip += 1  # whoever writes into a clip spoils it for nobody
    assert not torch.equal(clip, lesson_clip("Rising"))


def test_what_is_not_there_is_refused_with_what_is():
    with pytest.raises(LessonError, match="no network 'pupil'; known: student"):
        trained_network("pupil")
    with pytest.raises(LessonError, match="no action 'rising'; known: Appearing"):
        lesson_clip("rising")
    with pytest.raises(LessonError, match="no test group 8; known: 1, 2"):
        lesson_clip("Rising", group=8)
    with pytest.raises(LessonError, match="no clip 5; known: 1, 2, 3, 4"):
        lesson_clip("Rising", clip=5)


def test_the_student_is_as_good_on_drawn_clips_as_the_manifest_says():
    """One clip of each action in three groups, one view each, without video files."""
    model, _ = trained_network("student")
    torch.manual_seed(0)
    correct = 0
    for group in (1, 2, 3):
        clips = torch.stack([lesson_clip(action, group=group) for action in ACTIONS])
        with torch.no_grad():
            answers = model(normalise(clips)).argmax(dim=1)
        correct += int((answers == torch.arange(len(ACTIONS))).sum())
    assert abs(correct / 36 - ENTRY["test"]["top1"]) < 0.1


class FakeRun:
    """A finished run whose networks were never trained."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = create_model("vfl_net_lab_student", len(ACTIONS))
        self.other = create_model("vfl_net_lab_teacher", len(ACTIONS))
        self.recipe = recipe_for("demo", assets.OVERRIDES)
        self.seed, self.split = assets.SEED, "1"
        self.train_list = SimpleNamespace(standin=True, classes=ACTIONS)
        self.test_list = range(336)
        self.fit_samples, self.held_out_samples = range(768), range(96)
        self.trained_roles: list[str] = []

    def fill_cache(self) -> None:
        pass

    def train(self, role: str) -> SimpleNamespace:
        self.trained_roles.append(role)
        return SimpleNamespace(history=[{}] * 24, best_epoch=23)

    def trained(self, role: str) -> torch.nn.Module:
        return self.model if role != "teacher" else self.other

    def evaluate(self, role: str) -> SimpleNamespace:
        top1 = {"teacher": 0.9, "student": 0.87654321, "baseline": 0.8}[role]
        return SimpleNamespace(top1=SimpleNamespace(value=top1), views="2 x 3")


@pytest.fixture
def fake(monkeypatch, tmp_path) -> SimpleNamespace:
    """``make_networks`` with a run that is finished at once, into another folder."""
    told = SimpleNamespace(run=FakeRun(), asked={})

    def open_run(**asked):
        told.asked = asked
        return told.run

    monkeypatch.setattr(assets, "open_run", open_run)
    monkeypatch.setattr(assets, "assets_folder", lambda: tmp_path / "assets")
    return told


def test_the_command_trains_with_these_settings_and_exports(
    fake, tmp_path, capsys, monkeypatch
):
    assert assets.main(["--run-dir", str(tmp_path / "run")]) == 0
    assert "87.7 % of 336 stand-in test clips" in capsys.readouterr().out
    assert fake.asked["overrides"] == assets.OVERRIDES and fake.asked["seed"] == 0
    assert fake.asked["profile"] == "demo" and fake.asked["split"] == "1"
    assert fake.asked["run_dir"] == str(tmp_path / "run")
    assert fake.run.trained_roles == ["teacher", "student", "baseline"]
    path = tmp_path / "assets" / ASSETS["student"]
    monkeypatch.setattr(trained, "assets_folder", lambda: path.parent)
    model, metadata = trained_network("student")
    for name, value in fake.run.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    assert metadata["test"]["top1"] == 0.876543
    assert metadata["epochs"] == {"teacher": 24, "student": 24}
    first = path.read_bytes()
    assets.make_networks()
    assert path.read_bytes() == first
    assert fake.asked["run_dir"] == str(ROOT / "runs" / "small64")
    entry = json.loads((path.parent / MANIFEST).read_text())["files"][path.name]
    assert entry["sha256"] == hashlib.sha256(first).hexdigest()


@pytest.mark.parametrize(
    "error, status", [(RunDirectoryError, 1), (KeyboardInterrupt, 130)]
)
def test_trouble_is_told_in_a_line(fake, monkeypatch, capsys, error, status):
    def fail(role):
        raise error("runs/small64 is busy")

    monkeypatch.setattr(fake.run, "train", fail)
    assert assets.main([]) == status
    assert capsys.readouterr().err.startswith("assets: ")


def test_git_keeps_the_assets_and_ignores_data_sets():
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        pytest.skip("this is no git checkout")
    paths = ["data/README.md", *(f"data/assets/{f}" for f in (*ENTRIES, MANIFEST))]
    others = ["data/cache/frames_72/x", "data/ucf101_standin/a.avi", "data/x.avi"]
    command = ["git", "check-ignore", "--no-index", "--", *paths, *others]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert asked.stdout.split() == others
