"""Lesson 01 shows the library's image layer, and its hand-made forms agree with it."""

import pytest
import torch
from torch import nn

from dvfl_lib import modulation
from lesson_code import Played, definitions, run_cells, same_code, statements

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


def test_its_tries_have_their_answers_at_the_end_of_the_lesson():
    threads = torch.get_num_threads()
    played = Played(LESSON)
    assert torch.is_grad_enabled() and torch.get_num_threads() == threads
    line = "    everywhere ="
    third = "    z = F.gelu(F.conv2d(z, torch.rand(1, 1, 7, 7) / 49, padding=3))\n"
    third = f"    if level >= 3:\n    {third}{line}"
    played.again("def seen_from_centre", (line, third), ("level == 3", "level == 4"))
    assert int(played.run("print(int(seen_from_centre(17, 3).sum()))")) == 169
    played.run("gates[row, column] = 0")
    assert played.run("print(*one_query(row, column).tolist())").split() == ["0.0"] * 2
    played.run("x[5, 4, 1], x[5, 5, 1], old = 0, 9, contexts_of(context)")
    assert "gates [1.0, 0.5, -0.5]" in played.again("q, context, gates = f(x)")
    played.run("new = [z[row, column, 1] for z in contexts_of(context)]")
    one, two, everywhere = (z[2, 1, 1] for z in played.space["old"])
    first, second, last = played.space["new"]
    assert first == one == second == 0 < two
    assert float(last / everywhere) == pytest.approx(0.9, abs=0.03)


def test_without_gates_the_module_s_modulator_is_the_bias_of_h():
    torch.manual_seed(0)
    layer = modulation.FocalModulation(8).requires_grad_(False)
    layer.f.weight[-3:], layer.f.bias[-3:] = 0, 0
    x = torch.randn(1, 5, 5, 8)
    q = layer.f(x)[..., :8]
    assert torch.allclose(layer(x), layer.proj(q * layer.h.bias), atol=1e-6)
