"""Seeds are functions of their parts; frame numbers are those of TSN and dense."""

from contextlib import suppress

import pytest
import torch

from dvfl_lib.errors import RecipeError, VideoError
from dvfl_lib.recipes import DataRecipe
from dvfl_lib.seeding import derive_seed, fixed_rng
from dvfl_lib.video.sampling import (
    SAMPLINGS,
    dense_indices,
    segment_indices,
    view_indices,
)

pytestmark = pytest.mark.quick


def test_derive_seed_is_a_fixed_63_bit_function_of_its_parts():
    seed = derive_seed(0, "clip", 3, 17, 0)
    assert seed == derive_seed(0, "clip", 3, 17, 0)
    assert 0 <= seed < 2**63
    # Written down: a change of the rule would break resuming and every cache.
    assert derive_seed(0, "clip", 0, 0, 0) == 3222872361589310218


def test_derive_seed_tells_neighbours_types_and_joins_apart():
    parts = [(0, 1), (1, 0), (0, 2), ("0", 1), (0, 1, 0), ("01",), (1,), ("a", "b")]
    parts += [("ab",), ("a\x1fsb",), ("a:1",), ("a", 1)]
    assert len({derive_seed(*part) for part in parts}) == len(parts)


def test_fixed_rng_seeds_inside_and_leaves_the_outside_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    before = torch.rand(2)
    with fixed_rng(1, "x"):
        inside = torch.rand(3)
    after, state = torch.rand(2), torch.get_rng_state()
    assert torch.equal(torch.cat([before, after]), expected)
    with fixed_rng(1, "x"):
        assert torch.equal(torch.rand(3), inside)
    with suppress(RuntimeError), fixed_rng(1, "y"):
        assert not torch.equal(torch.rand(3), inside)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), state)


def test_centres_of_segments():
    assert segment_indices(80, 8) == [5, 15, 25, 35, 45, 55, 65, 75]
    assert segment_indices(1, 4) == [0, 0, 0, 0]
    assert segment_indices(3, 8) == [0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("num_frames", [1, 5, 8, 97, 300])
def test_random_segment_frames_stay_in_their_segments(num_frames):
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        chosen = segment_indices(num_frames, 8, generator)
        seen |= set(chosen)
        assert chosen == sorted(chosen)
        for segment, frame in enumerate(chosen):
            low, high = segment * num_frames / 8, (segment + 1) * num_frames / 8
            assert int(low) <= frame < max(high, int(low) + 1)
    assert len(seen) > 0.9 * num_frames  # and reach all of it


def test_dense_takes_the_middle_or_a_random_start_at_a_fixed_stride():
    assert dense_indices(100, 8, 4) == list(range(35, 64, 4))
    generator = torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(300):
        chosen = dense_indices(40, 8, 4, generator)
        assert [b - a for a, b in zip(chosen, chosen[1:], strict=False)] == [4] * 7
        starts.add(chosen[0])
    assert starts == set(range(12))  # 40 - 29 + 1 places, first and last included


def test_dense_repeats_the_last_frame_of_a_short_video():
    assert dense_indices(10, 8, 4) == [0, 4, 8, 9, 9, 9, 9, 9]


def test_one_view_is_the_centre_and_more_views_lie_evenly():
    for sampling, centre in (
        ("segments", segment_indices(90, 8)),
        ("dense", dense_indices(90, 8, 4)),
    ):
        assert view_indices(90, 8, 1, sampling, 4) == [centre]
    views = view_indices(320, 8, 4, "segments", 4)
    assert [view[0] for view in views] == [5, 15, 25, 35]
    assert [view[7] for view in views] == [285, 295, 305, 315]
    assert [v[0] for v in view_indices(109, 8, 4, "dense", 4)] == [10, 30, 50, 70]


def test_bad_counts_are_refused():
    with pytest.raises(VideoError, match="without frames"):
        segment_indices(0, 8)
    with pytest.raises(RecipeError, match="at least 1"):
        dense_indices(10, 8, 0)


def test_sampling_is_looked_up_by_name():
    for name in SAMPLINGS:
        assert len(view_indices(30, 4, 2, DataRecipe(sampling=name).sampling, 3)) == 2
    with pytest.raises(RecipeError, match="'segments'.*, not 'sparse'"):
        view_indices(30, 4, 2, "sparse", 3)
