"""What the ablation of lesson 09 varies, one thing at a time.

Public names: ``Setting``, ``Study``, ``STUDIES``, ``TEACHERS``, ``REDUCED``,
``COMMON``, ``VIEWS``.

A *setting* is one way of training a student. A *study* varies one thing and compares
its settings with one of them, the *reference*. Most references are the same runs,
forward KL with alpha 0.5 and T 4, the numbers of the demo profile: they are run once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import LessonError

# Every student sees so many augmentations of each clip, in turn; the teacher's logits
# of these are stored. Students that need the teacher itself see the same ones.
VIEWS = 8
COMMON: dict[str, Any] = {"distil.stored_views": VIEWS}
_ALPHA, _TEMPERATURE, _SHARE = 0.5, 4.0, 0.15
_LIVE = {"distil.live_teacher": True}

# The recipe's own teacher, and two that were stopped early, by name.
TEACHERS: dict[str, dict[str, Any]] = {
    "teacher": {},
    "teacher_12": {"teacher_optim.epochs": 12, "teacher_optim.warmup_epochs": 1.2},
    "teacher_8": {"teacher_optim.epochs": 8, "teacher_optim.warmup_epochs": 0.8},
}


@dataclass(frozen=True)
class Setting:
    """One way of training a student.

    Attributes:
        name: unique; part of its files' names.
        label: as figures and tables show it.
        overrides: of the recipe, beside ``COMMON``.
        teacher: one of ``TEACHERS``; "" for labels alone.
    """

    name: str
    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = "teacher"

    @property
    def role(self) -> str:
        """The part it plays in a run."""
        return "distilled" if self.teacher else "baseline"

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

    def __post_init__(self) -> None:
        names = [setting.name for setting in self.settings]
        for name in (self.reference, *self.references, *self.references.values()):
            if name not in names:
                raise LessonError(f"{self.title}: there is no setting {name!r} in it")

    def reference_of(self, name: str) -> str:
        """What a setting is compared with."""
        return self.references.get(name, self.reference)


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


def _alphas() -> Study:
    rows = [_kl(f"alpha_{a:g}", f"{a:g}", alpha=a) for a in (0.1, 0.2, 0.3, 0.7, 0.9)]
    rows.insert(3, KL.called(f"{_ALPHA:g}"))
    # With alpha 0 the teacher has no say: labels alone.
    return Study("alpha", (LABELS.called("0"), *rows), "labels")


def _temperatures() -> Study:
    rows = [_kl(f"t_{t:g}", f"{t:g}", temperature=t) for t in (1.0, 2.0, 10.0, 20.0)]
    rows.insert(2, KL.called(f"{_TEMPERATURE:g}"))
    return Study("temperature T", tuple(rows), "kl")


def _losses() -> Study:
    rivals = {
        "reverse_kl": "reverse KL",
        "jensen_shannon": "Jensen-Shannon",
        "squared_error": "squared error on logits",
        "decoupled_kd": "decoupled KD",
    }
    rows = [_kl(name, label, loss=name) for name, label in rivals.items()]
    for kind in ("features", "modulators"):
        live = {"distil.match": kind, **_LIVE}
        rows.append(Setting(f"match_{kind}", f"forward KL and {kind}", live))
    return Study("loss", (LABELS, KL, *rows), "kl")


def _released() -> Study:
    formula = _kl("released", "released formula", loss="released_code")
    random = {"random_head": True, "live_teacher": True}
    rows = (
        _kl("kl_random_head", "forward KL, random head", **random),
        formula,
        _kl("released_head", "both, as released", loss="released_code", **random),
    )
    return Study("the released code", (LABELS, KL, *rows), "labels")


def _drop_paths() -> Study:
    rates = (0.1, 0.2)
    alone = [_changed(LABELS, "student.drop_path", rate, "drop") for rate in rates]
    taught = [_changed(KL, "student.drop_path", rate, "drop") for rate in rates]
    pairs = {t.name: a.name for t, a in zip(taught, alone, strict=True)}
    # The authors' configurations: 0.2 without the teacher, 0.1 with it.
    pairs |= {"kl_drop_0.1": "labels_drop_0.2", "kl": "labels"}
    first = (LABELS.called("labels alone, 0"), KL.called("forward KL, 0"))
    return Study("drop-path", (*first, *alone, *taught), "labels", pairs)


def _teachers() -> Study:
    rows = [
        Setting(f"kl_{name}", f"teacher of {name.split('_')[1]} epochs", {}, name)
        for name in ("teacher_8", "teacher_12")
    ]
    full = KL.called("teacher of 18 epochs")
    return Study("the teacher", (LABELS, *rows, full), "labels")


def _label_shares() -> Study:
    shares = (0.05, 0.5, 1.0)
    alone = [_changed(LABELS, "distil.label_share", s, "share") for s in shares]
    taught = [_changed(KL, "distil.label_share", s, "share") for s in shares]
    alone.insert(1, LABELS.called(f"labels alone, {_SHARE:g}"))
    taught.insert(1, KL.called(f"forward KL, {_SHARE:g}"))
    pairs = {t.name: a.name for t, a in zip(taught, alone, strict=True)}
    return Study("share of clips with a label", (*alone, *taught), "labels", pairs)


STUDIES: dict[str, Study] = {
    "alpha": _alphas(),
    "temperature": _temperatures(),
    "loss": _losses(),
    "released": _released(),
    "drop_path": _drop_paths(),
    "teacher": _teachers(),
    "label_share": _label_shares(),
}
# What a lesson can run by itself: is distillation more than noise here?
REDUCED: dict[str, Study] = {"reduced": Study("a teacher", (LABELS, KL), "labels")}
