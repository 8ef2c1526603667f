"""Lesson 01 shows the library's image layer, and its hand-made forms agree with it."""

import pytest
import torch
from torch import nn

from dvfl_lib import modulation
from lesson_code import definitions, run_cells, same_code, statements

pytestmark = pytest.mark.quick
LESSON = "01_focal_modulation"


@pytest.mark.parametrize("name", ["FocalModulation", "aggregate", "summarise"])
def test_the_lesson_shows_the_library_s_code(name):
    assert same_code(definitions(LESSON, name), getattr(modulation, name))


def test_every_class_of_the_lesson_is_the_library_s():
    shown = {s.name for s in statements(LESSON) if type(s).__name__ == "ClassDef"}
    assert shown == {"FocalModulation"}


def test_the_loops_of_the_lesson_are_a_depth_wise_convolution():
    space = run_cells(LESSON, "window_sum", "level_by_loops", "level_by_convolution")
    torch.manual_seed(0)
    values, kernel = torch.randn(6, 5, 3), torch.randn(5, 5)
    looped = space["level_by_loops"](values, kernel)
    assert torch.allclose(
        looped, space["level_by_convolution"](values, kernel), 0, 1e-5
    )
    conv = nn.Conv2d(3, 3, 5, padding=2, groups=3, bias=False)
    conv.weight.data = kernel.expand(3, 1, 5, 5)
    library = nn.functional.gelu(conv(values.permute(2, 0, 1)))  # (C, H, W)
    assert torch.allclose(looped, library.permute(1, 2, 0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_each_level_sees_what_the_rule_says(level):
    seen = run_cells(LESSON, "seen_from_centre")["seen_from_centre"](13, level)
    reach = (1, 3, 7, 13)[level]
    assert int(seen.sum()) == reach**2
    rows = seen.any(dim=1).nonzero().squeeze(1)
    assert int(rows[-1] - rows[0]) + 1 == reach
