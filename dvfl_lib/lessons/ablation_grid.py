"""What the ablation of lesson 09 varies, one thing at a time.

Public names: ``Setting``, ``Study``, ``Grid``, ``grid_for``, ``reduced_grid``,
``LABELS``.

A *setting* is one way of training a student. A *study* varies one thing and compares
its settings with one of them, the *reference*. What is not varied is as the recipe
has it, so most references are the same runs: they are run once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..distillation import KD_LOSSES
from ..recipes import Recipe

# Every student sees so many augmentations of each clip, in turn; the teacher's logits
# of these are stored. Students that need the teacher itself see the same ones.
VIEWS = 8
ALPHAS = {0.1, 0.2, 0.3, 0.5, 0.7, 0.9}  # and 0, which is labels alone
TEMPERATURES = {1.0, 2.0, 4.0, 10.0, 20.0}
STORED_VIEWS = (0, 1, 2, 4)  # and VIEWS; 0 is new ones in every epoch
LABEL_SHARES = {0.05, 0.15, 0.5, 1.0}
MAIN = {"labels", "kl", "reverse_kl", "squared_error", "released"}
DROP_PATHS = {0.1, 0.2}
TEACHER_SHARES = (4 / 9, 2 / 3)  # of the teacher's epochs


@dataclass(frozen=True)
class Setting:
    """One way of training a student."""

    name: str  # unique; part of its files' names
    label: str  # as figures and tables show it
    overrides: Mapping[str, Any] = field(default_factory=dict)  # of the recipe
    teacher: str = "teacher"  # one of the grid's; "" for labels alone


@dataclass(frozen=True)
class Study:
    """Settings that differ in one thing: its title tells which."""

    title: str
    settings: tuple[Setting, ...]
    reference: str  # name of the setting that the others are compared with
    references: Mapping[str, str] = field(default_factory=dict)  # where it is another

    def reference_of(self, name: str) -> str:
        """What a setting is compared with."""
        return self.references.get(name, self.reference)


@dataclass(frozen=True)
class Grid:
    """What is run: studies by name, and overrides of the recipe."""

    studies: Mapping[str, Study]
    teachers: Mapping[str, Mapping[str, Any]]  # "teacher" is the recipe's own: {}
    common: Mapping[str, Any]  # for all runs

    @property
    def settings(self) -> dict[str, Setting]:
        """Each setting once, whatever it is called in a study."""
        return {s.name: s for study in self.studies.values() for s in study.settings}


LABELS = Setting("labels", "labels alone", teacher="")
KL = Setting("kl", "forward KL")


def grid_for(recipe: Recipe) -> Grid:
    """The full grid around a recipe.

    Where the recipe mixes clips (MixUp, CutMix), logits cannot be stored and every
    clip needs its label: students then see new views in every epoch, and the studies
    of stored views and of label shares are left out.
    """
    own, common = recipe.distil, {}
    alphas = _series(KL, "distil.alpha", ALPHAS, own.alpha, "alpha")
    heats = _series(KL, "distil.temperature", TEMPERATURES, own.temperature, "t")
    studies = {
        # With alpha 0 the teacher has no say: labels alone.
        "alpha": Study("alpha", (replace(LABELS, label="0"), *alphas), "labels"),
        "temperature": Study("temperature T", tuple(heats), "kl"),
        "loss": Study("loss", (LABELS, KL, *_losses()), "kl"),
        "released": Study("the released code", (LABELS, KL, *_released()), "labels"),
        "drop_path": _drop_paths(recipe.student.drop_path),
        "teacher": Study("the teacher", (LABELS, *_teachers(recipe)), "labels"),
    }
    if not (recipe.augment.mixup > 0 or recipe.augment.cutmix > 0):
        title, key = "share of clips with a label", "distil.label_share"
        shares = _in_pairs(title, key, LABEL_SHARES, own.label_share, "share")
        studies["label_share"] = shares
        if own.label_share < 1:
            studies["all_labels"] = _all_labels()
        views = min(VIEWS, recipe.optim.epochs)
        studies["views"] = Study("views of a clip", _views(views), "views_0")
        common["distil.stored_views"] = views
    return Grid(studies, {"teacher": {}, **_short_teachers(recipe)}, common)


def reduced_grid(recipe: Recipe) -> Grid:
    """One question only: does a teacher help? With one that was stopped early."""
    *_, name = _short_teachers(recipe)
    taught = Setting(f"kl_{name}", "forward KL", {}, name)
    study = Study("a teacher", (LABELS, taught), "labels")
    return replace(grid_for(recipe), studies={"reduced": study})


def _kl(name: str, label: str, **numbers: Any) -> Setting:
    """Forward KL with other numbers of ``distil``."""
    return Setting(name, label, {f"distil.{k}": v for k, v in numbers.items()})


def _series(
    base: Setting, key: str, values: set[float], own: float, name: str, label: str = ""
) -> list[Setting]:
    """A setting per value of a number; the recipe's own value is ``base`` itself."""
    found = []
    for value in sorted(values | {own}):
        setting = replace(base, label=f"{label}{value:g}")
        if value != own:
            overrides = {**base.overrides, key: value}
            setting = replace(setting, name=f"{name}_{value:g}", overrides=overrides)
        found.append(setting)
    return found


def _losses() -> list[Setting]:
    # The released formula has a study of its own.
    rivals = {name: loss for name, loss in KD_LOSSES.items() if loss.studied}
    rows = [_kl(name, loss.title, loss=name) for name, loss in rivals.items()]
    for kind in ("features", "modulators"):
        label = f"forward KL and {kind}"
        rows.append(_kl(f"match_{kind}", label, match=kind, live_teacher=True))
    return rows


def _released() -> list[Setting]:
    random = {"random_head": True, "live_teacher": True}
    return [
        _kl("kl_random_head", "forward KL, random head", **random),
        _kl("released", "released formula", loss="released_code"),
        _kl("released_head", "both, as released", loss="released_code", **random),
    ]


def _in_pairs(title: str, key: str, values: set[float], own: float, mark: str) -> Study:
    """A number varied with the teacher and without, compared value by value."""
    alone, taught = (
        _series(base, key, values, own, f"{base.name}_{mark}", f"{base.label}, ")
        for base in (LABELS, KL)
    )
    pairs = {t.name: a.name for t, a in zip(taught, alone, strict=True)}
    return Study(title, (*alone, *taught), "labels", pairs)


def _all_labels() -> Study:
    """Of the rivals, those that the lesson's main claims rest on."""
    full = {"distil.label_share": 1.0}
    rows = [
        replace(s, name=f"{s.name}_share_1", overrides={**s.overrides, **full})
        for s in (LABELS, KL, *_losses(), *_released())
        if s.name in MAIN
    ]
    return Study("loss, every clip with its label", tuple(rows), "labels_share_1")


def _drop_paths(own: float) -> Study:
    study = _in_pairs("drop-path", "student.drop_path", DROP_PATHS, own, "drop")
    pairs = dict(study.references)
    if own not in DROP_PATHS:
        # The authors' configurations: 0.2 without the teacher, 0.1 with it.
        pairs["kl_drop_0.1"] = "labels_drop_0.2"
    # What the recipe has stands first.
    order = sorted(study.settings, key=lambda s: s.name not in ("labels", "kl"))
    return replace(study, settings=tuple(order), references=pairs)


def _short_teachers(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Teachers that were stopped early, by name."""
    found = {}
    for share in TEACHER_SHARES:
        epochs = max(1, round(share * recipe.teacher_optim.epochs))
        warm_up = round(share * recipe.teacher_optim.warmup_epochs, 3)
        found[f"teacher_{epochs}"] = {
            "teacher_optim.epochs": epochs,
            "teacher_optim.warmup_epochs": min(warm_up, epochs),
        }
    return found


def _teachers(recipe: Recipe) -> list[Setting]:
    label = "teacher of {} epochs"
    short = [
        Setting(f"kl_{name}", label.format(numbers["teacher_optim.epochs"]), {}, name)
        for name, numbers in _short_teachers(recipe).items()
    ]
    return [*short, replace(KL, label=label.format(recipe.teacher_optim.epochs))]


def _views(own: int) -> tuple[Setting, ...]:
    """What stored logits cost in accuracy: fewer views of a clip."""
    fewer = [count for count in STORED_VIEWS if count < own]
    rows = [_kl(f"views_{n}", str(n or "new ones"), stored_views=n) for n in fewer]
    return (*rows, replace(KL, label=str(own)))
