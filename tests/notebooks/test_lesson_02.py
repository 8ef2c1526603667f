"""Lesson 02's layer is the library's, in a form for reading."""

import pytest
import torch
from torch import nn

from dvfl_lib import modulation
from lesson_code import Played, definitions, run_cells, same_code, statements

pytestmark = pytest.mark.quick
LESSON = "02_spatiotemporal_modulation"
LAYER = "SpatioTemporalFocalModulation"


def test_the_lesson_shows_the_library_s_temporal_convolution():
    shown = definitions(LESSON, "TemporalConv1d")
    assert same_code(shown, modulation.TemporalConv1d)


def test_every_class_of_the_lesson_has_a_twin_in_the_library():
    shown = {s.name for s in statements(LESSON) if type(s).__name__ == "ClassDef"}
    assert shown == {LAYER, "TemporalConv1d"}
    assert all(hasattr(modulation, name) for name in shown)


@pytest.mark.parametrize("sizes", [(2, 3, 2), (1, 5, 2), (3, 3, 4)])
@pytest.mark.parametrize("shape", [(2, 5, 4, 6, 8), (1, 1, 3, 3, 8)])
def test_the_form_for_reading_gives_the_library_s_numbers(sizes, shape):
    space = run_cells(LESSON, LAYER)
    torch.manual_seed(0)
    ours = space[LAYER](8, *sizes)
    library = getattr(modulation, LAYER)(8, *sizes)
    report = library.load_state_dict(ours.state_dict(), strict=True)
    assert not report.missing_keys and not report.unexpected_keys
    x = torch.randn(shape)
    assert torch.allclose(ours(x), library(x), rtol=0, atol=1e-6)


def test_gradients_agree_too():
    space = run_cells(LESSON, LAYER)
    torch.manual_seed(0)
    ours = space[LAYER](8).double()
    library = getattr(modulation, LAYER)(8).double()
    library.load_state_dict(ours.state_dict())
    x = torch.randn(1, 4, 3, 5, 8, dtype=torch.float64)
    for layer in (ours, library):
        layer(x).square().sum().backward()
    for name, parameter in ours.named_parameters():
        twin = library.get_parameter(name)
        assert torch.allclose(parameter.grad, twin.grad, rtol=1e-9, atol=1e-12), name


def test_the_temporal_loops_of_the_lesson_are_a_dense_convolution():
    loop = run_cells(LESSON, "temporal_sum")["temporal_sum"]
    torch.manual_seed(0)
    conv = nn.Conv1d(3, 2, 5, padding=2, bias=False)
    sequence = torch.randn(6, 3)  # (T, C)
    wanted = conv(sequence.T[None])[0].T  # (T, C out)
    kernel = conv.weight.detach()
    looped = [[loop(sequence, kernel, t, c) for c in (0, 1)] for t in range(6)]
    assert torch.allclose(torch.tensor(looped), wanted, rtol=0, atol=1e-5)


def test_its_tries_have_their_answers_at_the_end_of_the_lesson():
    played = Played(LESSON)
    assert torch.is_grad_enabled()
    one = "seen([library], clip[:, :1], frame=0)"
    assert played.run(f"print(int({one}.sum()), *{one}.shape)") == "196 1 14 14\n"
    longer = ("still = modulators", "s = modulators"), ("(-1, 8,", "(-1, 14,")
    longer += (("for t in", "still = s[:, 3:11]\nfor t in"),)
    assert played.again("frame 3 does:", *longer).count("True") == 8
    summed = ("q * m_space * m_time", "q * (m_space + m_time)")
    played.again("SpatioTemporalFocalModulation(nn.Module)", summed)
    played.run(f"timeless = {LAYER}(96)")
    played.run("timeless.load_state_dict(library.state_dict())")
    zero = (
        "timeless.h_temporal.weight.data.zero_()",
        "timeless.h_temporal.bias.data.zero_()",
    )
    played.run("\n".join(zero))
    same = "torch.allclose(timeless(clip)[0], image_layer(clip[0]), **close)"
    assert played.run(f"print({same})") == "True\n"
