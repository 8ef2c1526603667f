"""The ablation's grid: one thing varied at a time, every run once, pairs by seed."""

import json
from dataclasses import replace

import pytest

from benchmarks import studies as benchmark
from dvfl_lib.errors import LessonError, RecipeError
from dvfl_lib.evaluation.comparison import compare_seeds
from dvfl_lib.lessons import ablation
from dvfl_lib.lessons.ablation import (
    Ablation,
    ablation_figure,
    count_told_apart,
    run_ablation,
    stored_ablation,
    study_markdown,
    verdicts_markdown,
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
    return Ablation({"alpha": study}, tuple(seeds), found)


def test_differences_are_paired_by_seed():
    found = made_up()
    gain = found.against("alpha", "alpha_0.1")
    assert gain == compare_seeds([0.50, 0.51, 0.52], [0.59, 0.61, 0.63])
    reference, first, last = found.rows("alpha")
    assert (reference.versus, first.versus) == ("", "0")
    assert first.told_apart and not last.told_apart and not reference.told_apart


def test_tables_say_seeds_standin_and_verdict():
    found = made_up()
    text = study_markdown(found, "alpha")
    assert "59.0 | 61.0 | 63.0 | 61.0 | +10.0 against 0: more than noise" in text
    assert "+1.0 against 0: within noise" in text
    assert "3 seeds; top-1 in percent; stand-in data." in text
    said = verdicts_markdown(found)
    assert "+10.0 (+7.5 to +12.5)" in said and "0.9" not in said
    assert count_told_apart(found) == (2, 1, pytest.approx(0.1))
    words = ablation_figure(found, "alpha").get_label()
    assert words.startswith("alpha, 3 seeds. 0: mean 51.0 %")
    # Two settings that several studies compare count once.
    alpha = found.studies["alpha"]
    turned = Study("turned", alpha.settings[:2], "alpha_0.1")  # the same pair
    both = replace(found, studies={"alpha": alpha, "turned": turned})
    assert count_told_apart(both) == count_told_apart(found)
    assert verdicts_markdown(both) == said


def test_it_is_written_whole(tmp_path):
    paths = write_ablation(made_up(), tmp_path, {})
    assert [path.name for path in paths] == ["ablation.json", "ablation.md"]
    stored = json.loads(paths[0].read_text())
    assert stored["standin"] is True and stored["seeds"] == [0, 1, 2]
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
        ({"grid": "half"}, LessonError, "no 'half'; known: full"),
        ({"studies": ["beta"]}, LessonError, "no 'beta'.*alpha"),
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
    for study in DEMO.studies.values():
        assert f"| {study.title} |" in text
    gain = stored.against("loss", "labels")
    assert f"{100 * gain.mean:+.1f} against forward KL" in text
    compared, told, _ = count_told_apart(stored)
    assert f"{told} of {compared} differences are more than noise" in text
