"""The pixels that a map covers are those that can change it."""

import numpy as np
import pytest
import torch

from dvfl_lib.capture import capture_maps
from dvfl_lib.explorer.covering import covered
from dvfl_lib.explorer.record import NetworkRecord, Record
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model
from dvfl_lib.video.transforms import normalise
from small_record import small_record

pytestmark = pytest.mark.quick


def record_of(model, height, width) -> Record:
    """Only frames and maps, of one network."""
    frames = torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8)
    maps = capture_maps(model.eval(), normalise(frames)[None])
    entry = NetworkRecord("net", "", maps, (), (), ())
    pixels = frames.permute(0, 2, 3, 1).numpy()
    return Record("", pixels, ("a", "b"), "", True, (entry,))


def test_of_a_frame_that_divides_all_is_covered():
    record = small_record((1, 32, 48), grid=0, regions=1)
    for entry in record.networks:
        for place in entry.maps.places:
            assert covered(record, entry, place) == (32, 48)


@pytest.mark.parametrize("patch", [2, 4, 7])
@pytest.mark.parametrize("size", [(33, 60), (47, 31), (59, 58)])
def test_a_remainder_is_cut_off_at_each_stage(patch, size):
    config = VFLNetConfig(depths=(1, 1, 1), embed_dim=4, patch_size=patch)
    record = record_of(VFLNet(config, 2), *size)
    for stage in (1, 2, 3):
        token = patch * 2 ** (stage - 1)
        wanted = tuple(side // token * token for side in size)
        assert covered(record, record.networks[0], (stage, 1)) == wanted


def test_a_published_size_at_112_pixels():
    record = record_of(create_model("vfl_net_nano", 2), 112, 112)
    found = [covered(record, record.networks[0], (stage, 1)) for stage in (1, 2, 3, 4)]
    assert found == [(112, 112), (112, 112), (112, 112), (96, 96)]


def test_pixels_beyond_change_nothing_and_the_last_ones_within_do():
    """The network itself is asked, in double precision.

    The processor may multiply two clips in an order of its own: what is left of that,
    1e-15, is far below what a single pixel does.
    """
    torch.manual_seed(0)
    model = create_model("vfl_net_lab_student", 2, init="fan_in").eval()
    record = record_of(model, 35, 63)
    height, width = covered(record, record.networks[0], (1, 1))
    assert (height, width) == (32, 60)
    model.double()

    def answer(frames):
        clip = normalise(torch.from_numpy(frames).permute(0, 3, 1, 2))[None]
        with torch.no_grad():
            return model(clip.double()).numpy()

    beyond, corner = record.frames.copy(), record.frames.copy()
    beyond[:, height:], beyond[:, :, width:] = 0, 0
    corner[:, height - 1, width - 1] = 255 - corner[:, height - 1, width - 1]
    as_it_is = answer(record.frames)
    assert np.allclose(answer(beyond), as_it_is, rtol=0, atol=1e-10)
    assert np.abs(answer(corner) - as_it_is).max() > 1e-6
