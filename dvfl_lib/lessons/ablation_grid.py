"""What the ablation of lesson 09 varies, one thing at a time.

Public names: ``Setting``, ``Study``, ``Grid``, ``grid_for``, ``reduced_grid``,
``VIEWS``.

A *setting* is one way of training a student. A *study* varies one thing and compares
its settings with one of them, the *reference*. What is not varied is as the recipe
has it, so most references are the same runs: they are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..distillation import KD_LOSSES
from ..recipes import Recipe

# Every student sees so many augmentations of each clip, in turn; the teacher's logits
# of these are stored. Students that need the teacher itself see the same ones.
VIEWS = 8
ALPHAS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # and 0, which is labels alone
TEMPERATURES = (1.0, 2.0, 4.0, 10.0, 20.0)
STORED_VIEWS = (0, 1, 2, 4)  # and VIEWS; 0 is new ones in every epoch
LABEL_SHARES = (0.05, 0.15, 0.5, 1.0)
DROP_PATHS = (0.1, 0.2)
TEACHER_SHARES = (4 / 9, 2 / 3)  # of the teacher's epochs
_LIVE = {"distil.live_teacher": True}


@dataclass(frozen=True)
class Setting:
    """One way of training a student.

    Attributes:
        name: unique; part of its files' names.
        label: as figures and tables show it.
        overrides: of the recipe, beside the grid's common ones.
        teacher: one of the grid's; "" for labels alone.
    """

    name: str
    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = "teacher"

    @property
    def role(self) -> str:
        """The part it plays in a run."""
        return "student" if self.teacher else "baseline"

    def called(self, label: str) -> Setting:
        """The same runs under another label."""
        return replace(self, label=label)


@dataclass(frozen=True)
class Study:
    """Settings that differ in one thing.

    Attributes:
        title: what is varied.
        reference: name of the setting that the others are compared with; one per
            setting where each has its own (``references``).
    """

    title: str
    settings: tuple[Setting, ...]
    reference: str
    references: Mapping[str, str] = field(default_factory=dict)

    def reference_of(self, name: str) -> str:
        """What a setting is compared with."""
        return self.references.get(name, self.reference)


@dataclass(frozen=True)
class Grid:
    """What is run.

    Attributes:
        studies: by name.
        teachers: overrides of the recipe, by name; "teacher" is the recipe's own.
        common: overrides for all runs.
    """

    studies: Mapping[str, Study]
    teachers: Mapping[str, Mapping[str, Any]]
    common: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, Setting]:
        """Each setting once, whatever it is called in a study."""
        return {s.name: s for study in self.studies.values() for s in study.settings}


LABELS = Setting("labels", "labels alone", teacher="")
KL = Setting("kl", "forward KL")


def _kl(name: str, label: str, **overrides: Any) -> Setting:
    """Forward KL with other numbers of ``distil``."""
    named = {f"distil.{key}": value for key, value in overrides.items()}
    return Setting(name, label, named)


def _changed(setting: Setting, key: str, value: float, mark: str) -> Setting:
    overrides = {**setting.overrides, key: value}
    name, label = f"{setting.name}_{mark}_{value:g}", f"{setting.label}, {value:g}"
    return replace(setting, name=name, label=label, overrides=overrides)


def _series(
    values: tuple[float, ...],
    own: float,
    base: Setting,
    other: Callable[[float], Setting],
    label: Callable[[float], str] = "{:g}".format,
) -> list[Setting]:
    """A setting per value; the recipe's own value is the setting ``base``."""
    every = sorted({*values, own})
    return [base.called(label(v)) if v == own else other(v) for v in every]


def _alphas(recipe: Recipe) -> Study:
    own = recipe.distil.alpha
    rows = _series(ALPHAS, own, KL, lambda a: _kl(f"alpha_{a:g}", f"{a:g}", alpha=a))
    # With alpha 0 the teacher has no say: labels alone.
    return Study("alpha", (LABELS.called("0"), *rows), "labels")


def _temperatures(recipe: Recipe) -> Study:
    own = recipe.distil.temperature
    rows = _series(
        TEMPERATURES, own, KL, lambda t: _kl(f"t_{t:g}", f"{t:g}", temperature=t)
    )
    return Study("temperature T", tuple(rows), "kl")


def _losses(recipe: Recipe) -> Study:
    # The released formula has a study of its own.
    apart = ("forward_kl", "released_code")
    rows = [
        _kl(name, loss.title, loss=name)
        for name, loss in KD_LOSSES.items()
        if name not in apart
    ]
    for kind in ("features", "modulators"):
        live = {"distil.match": kind, **_LIVE}
        rows.append(Setting(f"match_{kind}", f"forward KL and {kind}", live))
    return Study("loss", (LABELS, KL, *rows), "kl")


def _released(recipe: Recipe) -> Study:
    formula = _kl("released", "released formula", loss="released_code")
    random = {"random_head": True, "live_teacher": True}
    rows = (
        _kl("kl_random_head", "forward KL, random head", **random),
        formula,
        _kl("released_head", "both, as released", loss="released_code", **random),
    )
    return Study("the released code", (LABELS, KL, *rows), "labels")


def _drop_paths(recipe: Recipe) -> Study:
    own = recipe.student.drop_path
    rates = tuple(rate for rate in DROP_PATHS if rate != own)
    alone = [_changed(LABELS, "student.drop_path", rate, "drop") for rate in rates]
    taught = [_changed(KL, "student.drop_path", rate, "drop") for rate in rates]
    pairs = {t.name: a.name for t, a in zip(taught, alone, strict=True)}
    pairs["kl"] = "labels"
    if len(rates) == len(DROP_PATHS):
        # The authors' configurations: 0.2 without the teacher, 0.1 with it.
        pairs["kl_drop_0.1"] = "labels_drop_0.2"
    first = (LABELS.called(f"labels alone, {own:g}"), KL.called(f"forward KL, {own:g}"))
    return Study("drop-path", (*first, *alone, *taught), "labels", pairs)


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


def _teachers(recipe: Recipe) -> Study:
    rows = [
        Setting(f"kl_{name}", f"teacher of {name.split('_')[1]} epochs", {}, name)
        for name in _short_teachers(recipe)
    ]
    full = KL.called(f"teacher of {recipe.teacher_optim.epochs} epochs")
    return Study("the teacher", (LABELS, *rows, full), "labels")


def _label_shares(recipe: Recipe) -> Study:
    own, key = recipe.distil.label_share, "distil.label_share"
    rows = []
    for base in (LABELS, KL):
        rows.append(
            _series(
                LABEL_SHARES,
                own,
                base,
                lambda s, base=base: _changed(base, key, s, "share"),
                lambda s, base=base: f"{base.label}, {s:g}",
            )
        )
    alone, taught = rows
    pairs = {t.name: a.name for t, a in zip(taught, alone, strict=True)}
    return Study("share of clips with a label", (*alone, *taught), "labels", pairs)


def _views(recipe: Recipe, own: int) -> Study:
    """What stored logits cost in accuracy: fewer views of a clip."""
    fewer = [count for count in STORED_VIEWS if count < own]
    rows = [
        _kl(f"views_{count}", f"{count}" if count else "new ones", stored_views=count)
        for count in fewer
    ]
    return Study("views of a clip", (*rows, KL.called(f"{own}")), "views_0")


def grid_for(recipe: Recipe) -> Grid:
    """The full grid around a recipe.

    Where the recipe mixes clips (MixUp, CutMix), logits cannot be stored and every
    clip needs its label: students then see new views in every epoch, and the studies
    of stored views and of label shares are left out.
    """
    mixes = recipe.augment.mixup > 0 or recipe.augment.cutmix > 0
    views = min(VIEWS, recipe.optim.epochs)
    studies = {
        "alpha": _alphas(recipe),
        "temperature": _temperatures(recipe),
        "loss": _losses(recipe),
        "released": _released(recipe),
        "drop_path": _drop_paths(recipe),
        "teacher": _teachers(recipe),
        "label_share": _label_shares(recipe),
        "views": _views(recipe, views),
    }
    if mixes:
        del studies["label_share"], studies["views"]
    common = {} if mixes else {"distil.stored_views": views}
    return Grid(studies, {"teacher": {}, **_short_teachers(recipe)}, common)


def reduced_grid(recipe: Recipe) -> Grid:
    """One question only: does a teacher help? With one that was stopped early."""
    full = grid_for(recipe)
    *_, name = _short_teachers(recipe)
    taught = Setting(f"kl_{name}", "forward KL", {}, name)
    study = Study("a teacher", (LABELS, taught), "labels")
    return replace(full, studies={"reduced": study})
