"""Costs against the published counts, by hand, and against a process's memory."""

import gc

import pytest
import torch
from torch import Tensor, nn

from dvfl_lib import cost
from dvfl_lib.cost import (
    count_macs,
    count_parameters,
    macs_of,
    median_seconds,
    number_from_process,
    peak_process_memory,
    peak_tensor_memory,
)
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model

SMALL = VFLNetConfig(depths=(1, 1), embed_dim=8)


def shapes_only(name: str) -> VFLNet:
    with torch.device("meta"):
        return create_model(name, 101)


@pytest.mark.parametrize(
    ("name", "giga_macs", "millions", "temporal_millions"),
    [
        ("vfl_net_nano", 27.14, 22.21, 9.32),
        ("video_focalnet_tiny", 63.00, 49.32, 21.59),
        ("video_focalnet_small", 124.33, 88.51, 39.31),
        ("video_focalnet_base", 220.65, 157.08, 69.86),
    ],
)
def test_costs_of_the_published_variants(name, giga_macs, millions, temporal_millions):
    """8 frames of 224 x 224, one view, as measured on the released code."""
    model = shapes_only(name)
    counts = count_parameters(model)
    assert round(count_macs(model, frames=8, size=224) / 1e9, 2) == giga_macs
    assert round(counts["total"] / 1e6, 2) == millions
    assert round(counts["temporal"] / 1e6, 2) == temporal_millions


@pytest.mark.quick
def test_macs_of_single_layers_by_hand():
    class OneOfEach(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 2, stride=2, groups=3)
            self.head = nn.Linear(6, 5)

        def forward(self, clip):
            x = self.conv(clip.flatten(0, 1))  # (T, 6, 4, 8)
            return self.head(x.mean(dim=(2, 3)))

    # A value of the convolution needs one input channel times 2 x 2.
    by_hand = 7 * (6 * 4 * 8) * 4 + 7 * 5 * 6
    assert count_macs(OneOfEach(), frames=7, size=(8, 16)) == by_hand


def test_macs_are_proportional_to_frames_but_for_the_head():
    model = VFLNet(SMALL, 10)
    head = 16 * 10
    one = count_macs(model, frames=1, size=32) - head
    assert count_macs(model, frames=5, size=32) - head == 5 * one


def test_counting_leaves_the_model_as_it_was():
    model = VFLNet(SMALL, 10, drop_path=0.5).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    count_macs(model, frames=2, size=32)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu" and torch.equal(value, before[name])


# --- memory ----------------------------------------------------------------------

X = torch.ones(25)  # 100 bytes


@pytest.mark.quick
@pytest.mark.parametrize(
    ("function", "by_hand"),
    [
        (lambda x: x, 100),
        (lambda x: x + 1, 200),
        (lambda x: (x + 1).mul(2), 300),
        # The first result is gone when the third is made, and so on.
        (lambda x: (x + 1).mul(2).sub(3).exp().add(1), 300),
        (lambda x: [x + i for i in range(4)], 500),
        (lambda x: (x + 1).sum(), 204),
        (lambda x: x.double(), 300),
        (lambda x: x.add_(1).mul_(2), 100),
        (lambda x: ((x + 1)[:1], x + 2), 300),  # a view keeps all it views
        (lambda x: [{"sum": x + 1}], 200),
        # The worst moment is in the middle: a list of four, freed again.
        (lambda x: (sum([x + i for i in range(4)]) + 1).sum(), 700),
    ],
)
def test_memory_by_hand(function, by_hand):
    assert peak_tensor_memory(function, X.clone()) == by_hand


@pytest.mark.quick
def test_views_share_the_memory_of_what_they_view():
    def only_views(x: Tensor) -> Tensor:
        return x.view(5, 5).T[1:].unsqueeze(0).expand(9, 4, 5)

    assert peak_tensor_memory(only_views, X) == 100
    assert peak_tensor_memory(lambda x: only_views(x + 1), X) == 200
    # One given tensor, twice; and a view of which only one value is used.
    assert peak_tensor_memory(lambda x, y: None, X, X.view(5, 5)) == 100
    assert peak_tensor_memory(lambda x: (x + 1)[:1], X) == 200


def test_weights_and_what_was_there_before_are_counted_apart():
    layer = nn.Linear(25, 10)
    assert peak_tensor_memory(layer, X[None]) == 100 + 40
    assert peak_tensor_memory(lambda: X) == 0
    assert peak_tensor_memory(lambda: X.view(5, 5) + 1) == 100


def test_what_is_kept_for_the_backward_pass_counts():
    chain = [nn.Sigmoid() for _ in range(6)]  # each keeps its output
    x = X.clone().requires_grad_()
    run = nn.Sequential(*chain)
    assert peak_tensor_memory(run, x) == 7 * 100
    with torch.no_grad():
        assert peak_tensor_memory(run, x) == 3 * 100


@pytest.mark.parametrize("name", ["vfl_net_lab_student", "vfl_net_nano"])
@pytest.mark.parametrize("training", [False, True])
def test_shapes_alone_give_the_same_memory(name, training):
    shape = (1, 4, 3, 64, 64)

    def bytes_needed() -> int:
        model, clip = create_model(name, 5), torch.ones(shape)
        with torch.set_grad_enabled(training):
            if training:
                return peak_tensor_memory(lambda c: model(c).sum().backward(), clip)
            return peak_tensor_memory(model, clip)

    real = bytes_needed()
    with torch.device("meta"):
        assert bytes_needed() == real > 500_000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_memory_is_what_its_allocator_saw():
    model = create_model("vfl_net_lab_teacher", 5).cuda().eval()
    clip = torch.ones(1, 4, 3, 64, 64, device="cuda")
    with torch.no_grad():
        told = peak_tensor_memory(model, clip)
        assert told == peak_tensor_memory(model.cpu(), clip.cpu())
        model.cuda()
        before = torch.cuda.memory_allocated() - clip.nbytes
        torch.cuda.reset_peak_memory_stats()
        model(clip)
    seen = torch.cuda.max_memory_allocated() - before
    assert 0.95 * told <= seen <= 2.5 * told


def test_counting_memory_is_repeatable_and_leaves_no_trace():
    model = create_model("vfl_net_lab_student", 5)
    clip = torch.zeros(1, 2, 3, 32, 32)
    counts = {peak_tensor_memory(model, clip) for _ in range(3)}
    assert len(counts) == 1
    gc.collect()
    assert not [o for o in gc.get_objects() if type(o) is cost._AliveBytes]


@pytest.mark.nightly
@pytest.mark.parametrize(("training", "factor"), [(False, 2.5), (True, 1.75)])
def test_a_process_grows_by_the_counted_memory_and_not_by_much_more(training, factor):
    """Scratch memory inside single operations comes on top, within a factor."""
    model = shapes_only("vfl_net_lab_teacher")
    clip = torch.empty(1, 8, 3, 224, 224, device="meta")

    def work(clip):
        with torch.set_grad_enabled(training):
            answer = model(clip).sum()
            if training:
                answer.backward()

    told = peak_tensor_memory(work, clip)
    grown = peak_process_memory("vfl_net_lab_teacher", training=training)
    assert 0.95 * told <= grown <= factor * told


def test_a_process_that_fails_is_told_with_its_reason():
    with pytest.raises(ModelError, match=r"measuring x failed .*no room\. Is"):
        number_from_process("raise MemoryError('no room')", "measuring x")
    assert number_from_process("print(3)", "counting") == 3


def test_macs_of_any_call_by_hand():
    layer = nn.Conv1d(4, 6, 3, groups=2, bias=False)
    assert macs_of(layer, torch.zeros(5, 4, 10)) == 5 * 6 * 8 * (2 * 3)
    a, b = torch.zeros(3, 4), torch.zeros(4, 5, device="cpu")
    assert macs_of(lambda x, y: (x @ y).softmax(1), a, b) == 3 * 4 * 5


# --- time ------------------------------------------------------------------------


@pytest.fixture
def every_turn(monkeypatch):
    """As outside of `make test`."""
    monkeypatch.delenv("DVFL_TEST", raising=False)


@pytest.mark.quick
def test_functions_take_turns_after_one_call_to_warm_up(every_turn):
    calls: list[str] = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = median_seconds(functions, repeats=2)
    assert calls == list("abc" * 3)
    assert list(seconds) == list("abc")
    assert all(0 <= value < 1 for value in seconds.values())


def test_the_median_is_of_the_timed_calls_alone(every_turn, monkeypatch):
    now = [0.0]
    waits = iter([50.0, 1.0, 9.0, 2.0])  # the first call is the warm-up

    def call() -> None:
        now[0] += next(waits)

    monkeypatch.setattr(cost.time, "perf_counter", lambda: now[0])
    assert median_seconds({"f": call}, repeats=3) == {"f": 2.0}


def test_queued_work_is_waited_for_before_and_after_each_call(every_turn, monkeypatch):
    events: list[str] = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: events.append("wait"))
    median_seconds({"f": lambda: events.append("call")}, repeats=1)
    assert events == ["wait", "call", "wait"] * 2


def test_under_test_the_first_call_must_do(monkeypatch):
    calls: list[str] = []
    monkeypatch.setenv("DVFL_TEST", "1")
    seconds = median_seconds({"f": lambda: calls.append("f")}, repeats=9)
    assert calls == ["f"] and seconds["f"] >= 0
