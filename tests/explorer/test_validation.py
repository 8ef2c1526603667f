"""A record that contradicts itself is refused, wherever it comes from."""

from dataclasses import replace

import numpy as np
import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import save_record
from dvfl_lib.explorer.validation import validate
from small_record import small_record


@pytest.fixture(scope="module")
def record():
    return small_record()


def with_network(record, number=1, **changes):
    networks = list(record.networks)
    networks[number] = replace(networks[number], **changes)
    return replace(record, networks=tuple(networks))


def with_maps(record, **changes):
    maps = replace(record.networks[1].maps, **changes)
    return with_network(record, maps=maps)


def with_block(record, **changes):
    blocks = list(record.networks[1].maps.blocks)
    blocks[1] = replace(blocks[1], **changes)
    return with_maps(record, blocks=tuple(blocks))


def with_reach(record, number=1, **changes):
    reach = list(record.networks[1].reach)
    reach[number] = replace(reach[number], **changes)
    return with_network(record, reach=tuple(reach))


def broken(values, number=np.nan):
    """The same array with one number replaced."""
    values = values.copy()
    values.flat[-1] = number
    return values


HALF = "\ud800"
WORDS = {
    "title 3": {"title": 3},
    "title half a character": {"title": HALF},
    "classes list": {"classes": ["a", "b", "c"]},
    "classes string": {"classes": "abc"},
    "classes none": {"classes": ()},
    "classes numbers": {"classes": (1, 2, 3)},
    "classes too few": {"classes": ("jump", "run")},
    "classes half a character": {"classes": (HALF, "b", "c")},
    "label strange": {"label": "swim"},
    "label none": {"label": None},
    "standin 1": {"standin": 1},
    "networks empty": {"networks": ()},
    "networks strange": {"networks": ("student",)},
}


@pytest.mark.parametrize("changes", WORDS.values(), ids=list(WORDS))
def test_words_of_another_kind_are_refused(record, changes, tmp_path):
    validate(record)
    with pytest.raises(DVFLError):
        validate(replace(record, **changes))
    with pytest.raises(DVFLError):
        save_record(replace(record, **changes), tmp_path / "clip.npz")
    assert not list(tmp_path.iterdir())


def test_frames_of_another_kind_are_refused(record):
    frames = record.frames
    for wrong in (
        frames / 255.0,
        frames[0],
        frames[:0],
        frames[..., :2],
        frames.tolist(),
        frames[:2],  # fewer than the maps have
        frames[:, :4],  # fewer pixels than tokens
    ):
        with pytest.raises(DVFLError, match="frames"):
            validate(replace(record, frames=wrong))


def test_networks_have_names_of_their_own(record):
    with pytest.raises(DVFLError, match="two networks have one name"):
        validate(with_network(record, name="student"))
    for name in ("", 3, HALF):
        with pytest.raises(DVFLError, match="name"):
            validate(with_network(record, name=name))
    with pytest.raises(DVFLError, match="what it is is a string"):
        validate(with_network(record, about=None))


def test_blocks_of_another_form_are_refused(record):
    block = record.networks[1].maps.blocks[1]
    gates, contexts = block.gates, block.contexts
    for changes in (
        {"stage": 1},  # the place of the block before
        {"stage": 0},
        {"block": 1.0},
        {"channels": True},
        {"q": block.q[0]},
        {"q": block.q[:, :1]},
        {"m_space": block.m_space.astype(np.float64)},
        {"m_time": block.m_time.astype(np.complex64)},
        {"product": broken(block.product)},
        {"product": broken(block.product, np.inf)},
        {"product": broken(block.product, -1)},
        {"gates": {"space": gates["space"]}},
        {"gates": gates | {"more": gates["space"]}},
        {"gates": gates | {"time": gates["time"][:2]}},
        {"gates": gates | {"time": broken(gates["time"])}},
        {"contexts": {"space": (), "time": ()}},
        {"contexts": contexts | {"time": contexts["space"]}},
        {"contexts": contexts | {"time": contexts["time"][:2]}},
    ):
        with pytest.raises(DVFLError, match="network 'teacher'"):
            validate(with_block(record, **changes))
    with pytest.raises(DVFLError, match="there is no block"):
        validate(with_maps(record, blocks=()))
    blocks = record.networks[1].maps.blocks
    with pytest.raises(DVFLError, match="do not rise"):
        validate(with_maps(record, blocks=blocks[::-1]))


def test_answers_of_another_form_are_refused(record):
    entry = record.networks[1]
    logits, outcome = entry.logits, entry.outcomes[0]
    for wrong in (logits[:2], logits[None], logits.astype(np.complex64), None):
        with pytest.raises(DVFLError, match="logits"):
            validate(with_maps(record, logits=wrong))
        with pytest.raises(DVFLError, match="logits"):
            change = replace(outcome, logits=wrong)
            validate(with_network(record, outcomes=(change,)))
    with pytest.raises(DVFLError, match="logits: NaN or infinite"):
        validate(with_maps(record, logits=broken(logits)))
    for changes in ({"kind": "magic"}, {"name": None}):
        with pytest.raises(DVFLError, match="outcome"):
            validate(with_network(record, outcomes=(replace(outcome, **changes),)))
    for cams in (entry.cams[:2], (entry.cams[0],) * 4):
        with pytest.raises(DVFLError, match="Grad-CAM"):
            validate(with_network(record, cams=cams))


def test_dependencies_of_another_form_are_refused(record):
    reach = record.networks[1].reach[1]
    outside = reach.tokens + np.array([0, 0, 99])
    for changes in (
        {"tokens": outside},
        {"tokens": reach.tokens - 99},
        {"tokens": reach.tokens.astype(float)},
        {"tokens": reach.tokens[:, :2]},
        {"tokens": reach.tokens[1:]},
        {"sources": reach.sources[:1]},
        {"sources": reach.sources[::-1]},
        {"maps": reach.maps[:1]},
        {"maps": reach.maps[::-1]},
        {"maps": tuple(m.astype(int) for m in reach.maps)},
    ):
        with pytest.raises(DVFLError, match=r"dependencies of block \(2, 1\)"):
            validate(with_reach(record, **changes))
    with pytest.raises(DVFLError, match="not of all"):
        validate(with_network(record, reach=record.networks[1].reach[:2]))
    validate(with_network(record, reach=()))
