"""Teacher caches beside changed code: what runs counts, not what a file says."""

import functools
import operator
from types import ModuleType

import pytest
import torch
from torch import nn

from dvfl_lib.teacher_cache.code import code_digest, network_digest
from dvfl_lib.teacher_cache.key import weights_digest
from dvfl_lib.video import transforms
from stored_views import Counted, assert_refused, opened
from tiny_training import MemoryClips, tiny_model


def module(text: str) -> ModuleType:
    made = ModuleType("made")
    exec(text, made.__dict__)
    return made


CODE = """
SIZES = {"small": (1, 2)}
def scaled(x, by=2):
    "Twice."
    return x * by if x not in {"a", "b"} else [y + 1 for y in x]
class Kind:
    limit = 3
    @property
    def twice(self): return 2 * self.limit
"""


def test_comments_and_docstrings_do_not_count():
    text = CODE.replace("Twice.", "Otherwise.").replace("class", "\n\n# more\nclass")
    assert code_digest([module(text)]) == code_digest([module(CODE)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(1, 2)", "(1, 3)"),
        ("by=2", "by=3"),
        ("x * by", "x + by"),
        ('"b"}', '"c"}'),
        ("y + 1", "y + 2"),
        ("limit = 3", "limit = 4"),
        ("2 * self", "3 * self"),
    ],
)
def test_whatever_computes_counts(before, after):
    assert before in CODE
    changed = module(CODE.replace(before, after))
    assert code_digest([changed]) != code_digest([module(CODE)])


def test_a_property_may_be_of_something_that_is_no_plain_function():
    def kind(got):
        return type("Kind", (), {"__module__": "made", "size": property(got)})

    assert code_digest([kind(operator.attrgetter("side"))])
    assert code_digest([kind(functools.lru_cache(lambda self: self.side * 2))]) != (
        code_digest([kind(functools.lru_cache(lambda self: self.side * 3))])
    )


def test_what_a_class_inherits_counts(cache, clips, monkeypatch):
    made = MemoryClips.__getitem__

    def brighter(self, key):
        item = made(self, key)
        return {**item, "clip": item["clip"] + 1}

    monkeypatch.setattr(MemoryClips, "__getitem__", brighter)
    assert_refused(cache, "code of the views", lambda: opened(cache, clips))


@pytest.mark.parametrize(
    ("name", "value"),
    [("MEAN", (0.5, 0.5, 0.5)), ("normalise", lambda frames: frames / 255)],
)
def test_another_normalisation_is_refused(cache, clips, monkeypatch, name, value):
    monkeypatch.setattr(transforms, name, value)
    assert_refused(cache, "code of the views", lambda: opened(cache, clips))


def test_other_code_of_the_teacher_is_refused(cache, clips, monkeypatch):
    """With the same weights in the same layers."""

    def doubled(self, clip, forward=Counted.forward):
        return 2 * forward(self, clip)

    monkeypatch.setattr(Counted, "forward", doubled)
    assert_refused(cache, "code of the teacher", lambda: opened(cache, clips))


def test_other_layers_of_the_same_weights_are_refused(cache, clips):
    teacher = Counted(tiny_model(2, drop_path=0.5, width=16))
    norm = next(m for m in teacher.modules() if isinstance(m, nn.LayerNorm))
    norm.eps = 0.1
    assert_refused(cache, "teacher layers", lambda: opened(cache, clips, teacher))
    swapped = [
        nn.Sequential(nn.Linear(2, 2), layer) for layer in (nn.ReLU(), nn.GELU())
    ]
    assert network_digest(swapped[0]) != network_digest(swapped[1])


def test_a_rate_of_drop_path_changes_no_answer(cache, clips):
    teacher = Counted(tiny_model(2, drop_path=0.1, width=16))
    opened(cache, clips, teacher)
    assert teacher.clips == 0


def test_buffers_outside_the_state_dict_count():
    """And those inside it, such as the running mean of a batch norm."""

    class Scaled(nn.BatchNorm1d):
        def __init__(self, scale: float) -> None:
            super().__init__(2)
            self.register_buffer("scale", torch.tensor(scale), persistent=False)

    other = Scaled(1.0)
    other.running_mean += 1
    digests = {weights_digest(n) for n in (Scaled(1.0), Scaled(2.0), other)}
    assert len(digests) == 3 and weights_digest(Scaled(1.0)) in digests


def test_clips_without_files_are_known_by_what_they_show(tmp_path):
    class Brighter(MemoryClips):
        more = None

        def __getitem__(self, key):
            item = super().__getitem__(key)
            if key.index == 5 and self.more is not None:
                item["clip"] = item["clip"] + self.more
            return item

    clips, teacher = Brighter(views=2), Counted()
    opened(tmp_path / "cache", clips, teacher)
    opened(tmp_path / "cache", clips, teacher)
    assert teacher.clips == 2 * 24
    clips.more = torch.tensor(1.0)
    assert_refused(
        tmp_path / "cache",
        "other content now: v5",
        lambda: opened(tmp_path / "cache", clips),
    )
