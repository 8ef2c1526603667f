"""The ablation's grid: one thing varied at a time, every run once, pairs by seed."""

import json
from dataclasses import replace

import pytest

from benchmarks import stored as stored_results
from benchmarks import studies as benchmark
from dvfl_lib.errors import LessonError, RecipeError
from dvfl_lib.evaluation.comparison import compare_seeds
from dvfl_lib.lessons import ablation
from dvfl_lib.lessons.ablation import (
    Ablation,
    ablation_figure,
    run_ablation,
    stored_ablation,
    study_markdown,
    write_ablation,
)
from dvfl_lib.lessons.ablation_grid import Study, grid_for, reduced_grid
from dvfl_lib.recipes import PROFILES, recipe_for

DEMO = grid_for(recipe_for("demo"))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_setting_of_a_grid_is_a_valid_recipe(profile):
    recipe = recipe_for(profile)
    grid = grid_for(recipe)
    for setting in grid.settings.values():
        changed = recipe.with_overrides({**grid.common, **setting.overrides})
        assert setting.teacher in ("", *grid.teachers)
        assert (changed == recipe.with_overrides(dict(grid.common))) == (
            not setting.overrides
        )
    for overrides in grid.teachers.values():
        recipe.with_overrides(dict(overrides))
    for setting in (s for study in grid.studies.values() for s in study.settings):
        same = grid.settings[setting.name]  # settings of one name are the same run
        assert (same.overrides, same.teacher) == (setting.overrides, setting.teacher)
    assert ("all_labels" in grid.studies) == (recipe.distil.label_share < 1)
    early = "kl_" + [*grid.teachers][-1]
    assert {*reduced_grid(recipe).settings} == {"labels", early}
    mixes = recipe.augment.mixup > 0 or recipe.augment.cutmix > 0
    assert mixes == (not grid.common) == ("views" not in grid.studies)


def test_a_study_varies_what_was_promised():
    def varied(study, key):
        settings = DEMO.studies[study].settings
        return [s.overrides.get(key) for s in settings if not s.label.startswith("l")]

    labels = [s.label for s in DEMO.studies["alpha"].settings]
    assert labels == ["0", "0.1", "0.2", "0.3", "0.5", "0.7", "0.9"]
    assert varied("alpha", "distil.alpha") == [None, 0.1, 0.2, 0.3, None, 0.7, 0.9]
    assert varied("temperature", "distil.temperature") == [1.0, 2.0, None, 10.0, 20.0]
    rivals = {s.overrides.get("distil.loss") for s in DEMO.studies["loss"].settings}
    assert rivals > {"reverse_kl", "jensen_shannon", "squared_error", "decoupled_kd"}
    heads = {
        (s.overrides.get("distil.loss"), s.overrides.get("distil.random_head"))
        for s in DEMO.studies["released"].settings
    }
    assert heads >= {("released_code", True), ("released_code", None), (None, True)}


def test_a_setting_of_drop_path_is_compared_with_the_same_rate():
    study = DEMO.studies["drop_path"]
    assert study.reference_of("kl_drop_0.2") == "labels_drop_0.2"
    # The authors' own pair: 0.1 with the teacher against 0.2 without.
    assert study.reference_of("kl_drop_0.1") == "labels_drop_0.2"
    full = DEMO.studies["all_labels"]
    assert {s.overrides["distil.label_share"] for s in full.settings} == {1.0}
    names = ["labels", "kl", "reverse_kl", "squared_error", "released"]
    assert [s.name for s in full.settings] == [f"{name}_share_1" for name in names]
    assert full.settings[2].overrides["distil.loss"] == "reverse_kl"
    shares = DEMO.studies["label_share"]
    assert shares.reference_of("kl_share_1") == "labels_share_1"
    assert shares.reference_of("kl") == "labels"


def test_the_grid_goes_round_the_recipe():
    recipe = recipe_for("demo", {"distil.alpha": 0.3, "optim.epochs": 4})
    grid = grid_for(recipe)
    names = [s.name for s in grid.studies["alpha"].settings]
    assert names[3] == "kl" and "alpha_0.5" in names and "alpha_0.3" not in names
    assert grid.common == {"distil.stored_views": 4}


def test_stored_views_are_compared_with_new_ones_in_every_epoch():
    study = DEMO.studies["views"]
    labels = {s.label: s.overrides.get("distil.stored_views") for s in study.settings}
    assert labels == {"new ones": 0, "1": 1, "2": 2, "4": 4, "8": None}
    assert DEMO.common == {"distil.stored_views": 8} and study.reference == "views_0"
    short = {"optim.epochs": 2, "optim.warmup_epochs": 1}
    few = grid_for(recipe_for("demo", short)).studies["views"]
    assert [s.label for s in few.settings] == ["new ones", "1", "2"]


def made_up(seeds=(0, 1, 2)) -> Ablation:
    """Results as runs would leave them: kl gains 10 points, alpha_0.9 does not."""
    study = DEMO.studies["alpha"]
    study = replace(study, settings=(*study.settings[:2], study.settings[-1]))
    gains = {"labels": (0, 0, 0), "alpha_0.1": (9, 10, 11), "alpha_0.9": (-9, 0, 12)}
    found = {
        f"{name}_seed{seed}": {"top1": (50 + seed + gain[seed]) / 100, "standin": True}
        for name, gain in gains.items()
        for seed in seeds
    }
    return Ablation({"alpha": study}, found)


def test_differences_are_paired_by_seed():
    found = made_up()
    gain = found.against("alpha", "alpha_0.1")
    assert gain == compare_seeds([0.50, 0.51, 0.52], [0.59, 0.61, 0.63])
    reference, first, last = found.rows("alpha")
    assert (reference.versus, first.versus) == ("", "0")
    assert first.told_apart and not last.told_apart and not reference.told_apart


def test_each_setting_has_its_own_seeds():
    """Two are compared over the seeds of both."""
    found = made_up()
    more = {**found.found, "labels_seed7": {"top1": 0.9, "standin": True}}
    more["labels_drop_0.1_seed0"] = {"top1": 0.1, "standin": True}  # another setting
    found = replace(found, found=more)
    assert found.values("labels") == {0: 0.50, 1: 0.51, 2: 0.52, 7: 0.9}
    assert found.against("alpha", "alpha_0.1") == made_up().against(
        "alpha", "alpha_0.1"
    )
    reference, *_ = found.rows("alpha")
    assert reference.values == found.values("labels")
    text = study_markdown(found, "alpha")
    assert "| 50.0 | 51.0 | 52.0 | 90.0 | 60.8 |  |" in text
    assert "| 59.0 | 61.0 | 63.0 |  | 61.0 | +10.0 against 0: told apart |" in text
    words = ablation_figure(found, "alpha").get_label()
    assert "0: mean 60.8 % of 4 seeds" in words
    assert "+10.0 points against 0 over 3 seeds, told apart" in words


def test_a_study_that_has_not_been_run_is_left_out():
    found = made_up().found
    own = made_up().studies["alpha"]
    more = Study("more", (*own.settings, DEMO.settings["t_1"]), "labels")
    assert [*Ablation.of({"alpha": own, "more": more}, found).studies] == ["alpha"]


def test_tables_say_standin_and_verdict():
    found = made_up()
    text = study_markdown(found, "alpha")
    assert "59.0 | 61.0 | 63.0 | 61.0 | +10.0 against 0: told apart" in text
    assert "+1.0 against 0: not told apart" in text
    assert "Top-1 in percent; differences over the seeds of both; stand-in" in text
    words = ablation_figure(found, "alpha").get_label()
    assert words.startswith("alpha. 0: mean 51.0 % of 3 seeds")
    # Two settings that several studies compare count once.
    alpha = found.studies["alpha"]
    turned = Study("turned", alpha.settings[:2], "alpha_0.1")  # the same pair
    both = replace(found, studies={"alpha": alpha, "turned": turned})
    assert both.comparisons() == found.comparisons() and len(both.comparisons()) == 2


def test_it_is_written_whole(tmp_path):
    paths = write_ablation(made_up(), tmp_path, {})
    assert [path.name for path in paths] == ["ablation.json", "ablation.md"]
    stored = json.loads(paths[0].read_text())
    assert stored["standin"] is True
    assert stored["found"]["labels_seed1"]["top1"] == 0.51


def test_an_old_stored_grid_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "benchmarks" / "results" / "ablation.json"
    path.parent.mkdir(parents=True)
    stored = made_up().to_dict()
    path.write_text(json.dumps(stored))
    monkeypatch.setattr(ablation, "project_root", lambda: tmp_path)
    with pytest.raises(LessonError, match="other settings"):
        stored_ablation()


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"seeds": []}, LessonError, "seeds"),
        ({"seeds": [1, 1]}, LessonError, "seeds"),
        ({"grid": "half"}, LessonError, "no 'half', only full"),
        ({"studies": ["beta"]}, LessonError, "no 'beta'.*alpha"),
        ({"settings": ["kl_2"]}, LessonError, "no 'kl_2'.*kl"),
        ({"profile": "papier"}, RecipeError, "papier"),
        ({"overrides": {"distil.alfa": 1}}, RecipeError, "alfa"),
        ({"data_root": "nowhere"}, Exception, "nowhere: there is no such folder"),
    ],
)
def test_wrong_parameters_are_named_before_any_run(tmp_path, wrong, error, said):
    with pytest.raises(error, match=said):
        run_ablation(**{"seeds": [0], "folder": tmp_path / "a", **wrong})
    assert not list(tmp_path.glob("a/*.ipynb"))


def test_the_stored_grid_is_printed_whole(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["studies", "ablation", "--show"])
    benchmark.main()
    text, (stored, _) = capsys.readouterr().out, stored_ablation()
    for study in stored.studies.values():
        assert f"| {study.title} |" in text
    gain = stored.against("loss", "labels")
    assert f"{100 * gain.mean:+.1f} against forward KL" in text
    told = [row.told_apart for _, row in stored.comparisons()]
    assert f"{sum(told)} of {len(told)} differences are told apart" in text


def test_more_seeds_of_some_settings_are_added_to_what_is_stored(tmp_path, monkeypatch):
    """With the command that added them, and what made the others."""
    old = {"command": "first", "date": "d", "commit": "c", "versions": {}}
    old |= {"machine": {}, "commits of the runs": ["a"], **made_up().to_dict()}
    (tmp_path / "ablation.json").write_text(json.dumps(old))
    monkeypatch.setattr(stored_results, "RESULTS", tmp_path)
    monkeypatch.setattr(benchmark, "project_root", lambda: tmp_path)
    folder = tmp_path / "runs" / "ablation"
    folder.mkdir(parents=True)

    def run(*, seeds, settings, **others):
        names = [f"{name}_seed{seed}" for name in settings for seed in seeds]
        for name in names:
            (folder / f"{name}.json").write_text('{"commit": "b"}')
        ran = {name: {"top1": 0.7, "standin": True} for name in names}
        return Ablation({}, ran)

    monkeypatch.setattr(benchmark, "run_ablation", run)
    line = "studies ablation --seeds 3 4 --settings labels alpha_0.1"
    monkeypatch.setattr("sys.argv", line.split())
    benchmark.main()
    new = json.loads((tmp_path / "ablation.json").read_text())
    assert new["command"] == f"python -m benchmarks.{line}"
    assert [origin["command"] for origin in new["earlier"]] == ["first"]
    assert new["commits of the runs"] == ["a", "b"]
    found = Ablation({}, new["found"])
    assert [*found.values("labels")] == [0, 1, 2, 3, 4]
    assert [*found.values("alpha_0.9")] == [0, 1, 2]
