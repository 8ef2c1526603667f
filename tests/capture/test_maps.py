"""The reduced trace says what the whole one says, and is small."""

import numpy as np
import pytest
import torch

from dvfl_lib.capture import capture, capture_maps
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def model() -> VFLNet:
    torch.manual_seed(0)
    config = VFLNetConfig(depths=(1, 2), embed_dim=8, focal_levels=3)
    return VFLNet(config, 5, init="fan_in").eval()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.randn(1, 3, 3, 32, 40, generator=torch.Generator().manual_seed(1))


def test_every_map_is_that_of_the_whole_trace(model, clip):
    maps, trace = capture_maps(model, clip), capture(model, clip)
    assert maps.places == tuple((e.stage, e.block) for e in trace)
    assert np.array_equal(maps.logits, trace.result[0].numpy())
    for small, whole in zip(maps, trace, strict=True):
        for part in ("q", "m_space", "m_time", "product"):
            assert np.array_equal(getattr(small, part), whole.norms(part).numpy())
        for branch in ("space", "time"):
            gates = getattr(whole, branch).gates[0].permute(3, 0, 1, 2).numpy()
            assert np.array_equal(small.gates[branch], gates)
            signed = small.contributions(branch)
            assert np.array_equal(np.sign(signed), np.sign(gates))
            lengths = [z[0].norm(dim=-1) for z in getattr(whole, branch).contexts]
            for number, length in enumerate(lengths):
                wanted = abs(gates[number]) * length.numpy()
                assert np.allclose(abs(signed[number]), wanted, atol=1e-6)


def test_shapes_are_those_of_the_docstring(model, clip):
    entry = capture_maps(model, clip).at(2, 2)
    assert entry.size == entry.product.shape == (3, 4, 5)
    assert entry.channels == 16 and entry.levels == 4
    assert entry.gates["time"].shape == (4, 3, 4, 5)
    assert [z.shape for z in entry.contexts["space"]] == [(3, 4, 5)] * 3 + [(3, 1, 1)]
    assert [z.shape for z in entry.contexts["time"]] == [(3, 4, 5)] * 3 + [(1, 4, 5)]


def test_a_nano_clip_is_under_a_megabyte_where_the_whole_trace_is_98(clip):
    """Counted, not timed: sizes follow from the shapes, so small frames will do."""
    torch.manual_seed(0)
    nano = create_model("vfl_net_nano", 5).eval()
    small = torch.zeros(1, 8, 3, 64, 64)
    maps, trace = capture_maps(nano, small), capture(nano, small)
    scale = (224 / 64) ** 2  # every part but the global contexts grows with the area
    whole = sum(
        tensor.numel() * 4
        for entry in trace
        for tensor in (
            *(entry.q, entry.output, entry.m_space, entry.m_time),
            *(*entry.space.contexts, *entry.time.contexts),
            *(entry.space.gates, entry.time.gates),
        )
    )
    assert whole * scale > 98e6
    arrays = [a for b in maps for a in (b.q, b.m_space, b.m_time, b.product)]
    arrays += [a for b in maps for parts in b.contexts.values() for a in parts]
    arrays += [gates for b in maps for gates in b.gates.values()]
    assert sum(2 * a.size for a in arrays) * scale < 1e6  # in float16, as saved


def test_more_than_one_clip_and_unknown_blocks_are_refused(model, clip):
    with pytest.raises(ModelError, match="one clip"):
        capture_maps(model, clip.expand(2, -1, -1, -1, -1))
    with pytest.raises(ModelError, match=r"no block 3 in stage 1.*\(2, 2\)"):
        capture_maps(model, clip).at(1, 3)
