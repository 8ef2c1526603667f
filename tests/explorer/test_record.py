"""What a record holds, and the numbers that are computed from it."""

import numpy as np
import pytest
import torch

from dvfl_lib.capture import capture_maps
from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer.record import covered, rank_correlation, softened
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model
from dvfl_lib.video.transforms import normalise

pytestmark = pytest.mark.quick


def maps_of(model, height, width):
    return capture_maps(model.eval(), torch.zeros(1, 1, 3, height, width))


@pytest.mark.parametrize("patch", [2, 4, 7])
@pytest.mark.parametrize("size", [(33, 60), (47, 31), (59, 58)])
def test_a_remainder_is_cut_off_at_each_stage(patch, size):
    config = VFLNetConfig(depths=(1, 1, 1), embed_dim=4, patch_size=patch)
    found = covered(maps_of(VFLNet(config, 2), *size), size)
    for stage in range(3):
        token = patch * 2**stage
        assert found[stage] == tuple(side // token * token for side in size)


def test_a_published_size_at_112_pixels():
    found = covered(maps_of(create_model("vfl_net_nano", 2), 112, 112), (112, 112))
    assert found == [(112, 112), (112, 112), (112, 112), (112, 112), (96, 96)]


def test_pixels_beyond_change_nothing_and_the_last_ones_within_do():
    """The network itself is asked, in double precision."""
    torch.manual_seed(0)
    model = create_model("vfl_net_lab_student", 2, init="fan_in").eval().double()
    frames = torch.randint(0, 256, (1, 3, 35, 63), dtype=torch.uint8)
    (height, width), *_ = covered(capture_maps(model, as_clip(frames)), (35, 63))
    assert (height, width) == (32, 60)
    beyond, corner = frames.clone(), frames.clone()
    beyond[..., height:, :], beyond[..., width:] = 0, 0
    corner[..., height - 1, width - 1] = 255 - corner[..., height - 1, width - 1]
    with torch.no_grad():
        as_it_is = model(as_clip(frames))
        assert torch.allclose(model(as_clip(beyond)), as_it_is, rtol=0, atol=1e-10)
        assert (model(as_clip(corner)) - as_it_is).abs().max() > 1e-6


def as_clip(frames):
    return normalise(frames)[None].double()


def test_softened_probabilities():
    logits = np.array([1.0, 2.0, 1000.0])
    assert softened(logits, 1.0).tolist() == [0.0, 0.0, 1.0]
    assert np.allclose(softened(logits, 1e9), 1 / 3)
    assert np.allclose(softened(np.log([1.0, 4.0]), 2.0), [1 / 3, 2 / 3])
    with pytest.raises(DVFLError, match="above 0"):
        softened(logits, 0.0)


def test_rank_correlation_on_cases_known_by_hand():
    rising = np.arange(8.0).reshape(2, 2, 2)
    assert rank_correlation(rising, rising**3) == pytest.approx(1.0)
    assert rank_correlation(rising, -rising) == pytest.approx(-1.0)
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with one pair of neighbours swapped
    swapped = rising.ravel().copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    wanted = 1 - 6 * 2 / (8 * 63)
    assert rank_correlation(rising, swapped.reshape(2, 2, 2)) == pytest.approx(wanted)
    tied = np.array([1.0, 1.0, 2.0, 3.0]).reshape(1, 2, 2)
    other = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2)
    assert rank_correlation(tied, other) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert np.isnan(rank_correlation(rising, np.ones((2, 2, 2))))
    fine = rising.repeat(2, axis=1).repeat(2, axis=2)
    assert rank_correlation(fine, rising) == pytest.approx(1.0)
    with pytest.raises(DVFLError, match="cannot be compared"):
        rank_correlation(np.ones((2, 3, 3)), np.ones((2, 2, 2)))
