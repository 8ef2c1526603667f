"""The recogniser on a stream: the offline answer, each frame once, a bounded ring."""

import copy

import numpy as np
import pytest
import torch

from dvfl_lib import create_model
from dvfl_lib.deployment import StreamingRecogniser
from dvfl_lib.deployment import stream as streaming_module
from dvfl_lib.deployment.stream import window_logits
from dvfl_lib.errors import ModelError, RecipeError, VideoError
from dvfl_lib.recipes import DataRecipe
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig
from dvfl_lib.video.transforms import evaluation_crops
from helpers import moving_frames

pytestmark = pytest.mark.quick

CLASSES = ("a", "b", "c")
DATA = DataRecipe(frames=4, crop=32, short_side=36)
FRAMES = moving_frames(30, 40, 52)


@pytest.fixture(scope="module")
def model() -> VFLNet:
    """Two blocks in the first stage, and biases that let both modulators speak."""
    torch.manual_seed(0)
    config = VFLNetConfig(depths=(2, 1), embed_dim=8)
    model = VFLNet(config, 3, drop_path=0.5, init="fan_in").eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    return model


def recogniser(model: VFLNet, **options) -> StreamingRecogniser:
    options = {"frame_stride": 1} | options
    return StreamingRecogniser(model, CLASSES, DATA, 36, **options)


def offline(model: VFLNet, numbers: list[int]) -> torch.Tensor:
    """Logits of a clip of these frames, prepared as evaluation does it."""
    clip = torch.from_numpy(FRAMES[numbers]).permute(0, 3, 1, 2)  # (T, 3, H, W)
    with torch.inference_mode():
        return model(evaluation_crops(clip, 36, 32, crops=1))[0]


@pytest.mark.parametrize(
    ("stride", "every"), [(1, 1), (1, 3), (2, 2), (3, 6), (3, 2), (2, 7), (4, 1)]
)
def test_each_window_has_the_offline_answer(model, monkeypatch, stride, every):
    """The logits of every window of the stream, wherever it lies."""
    logits = []

    def noted(*arguments):
        logits.append(window_logits(*arguments))
        return logits[-1]

    monkeypatch.setattr(streaming_module, "window_logits", noted)
    stream = recogniser(model, frame_stride=stride, every=every)
    said = list(stream.run(iter(FRAMES)))
    ends = [r.frame for r in said if r.fresh]
    first = 3 * stride
    assert ends == list(range(first, len(FRAMES), every)) and len(ends) > 1
    for end, found in zip(ends, logits, strict=True):
        numbers = [end - 3 * stride + i * stride for i in range(4)]
        assert stream.window_at(end) == numbers
        true = offline(model, numbers)
        torch.testing.assert_close(found, true, atol=1e-5, rtol=0)
        torch.testing.assert_close(
            said[end].window, true.double().softmax(-1), atol=1e-5, rtol=0
        )
    # The windows differ by far more than the tolerance: a wrong one would show.
    spread = torch.stack(logits).std(dim=0).max()
    assert spread > 1e-3


@pytest.mark.parametrize(
    ("stride", "every", "needed"),
    [
        (1, 1, 30),
        (3, 6, 10),  # frames 0, 3, ..., 27
        (2, 1, 30),  # windows of both phases
        (1, 10, 12),  # windows 0-3, 10-13, 20-23; none else is finished
        (2, 7, 16),  # ends 6, 13, 20, 27; the windows share no frame
    ],
)
def test_a_frames_features_are_computed_once_and_only_where_needed(
    model, monkeypatch, stride, every, needed
):
    stems, forward = [], model.patch_embed.forward
    monkeypatch.setattr(
        model.patch_embed, "forward", lambda x: stems.append(x.shape[:2]) or forward(x)
    )
    stream = recogniser(model, frame_stride=stride, every=every)
    used, sizes = set(), []
    for said in stream.run(FRAMES):
        sizes.append(len(stream._ring))
        if said.fresh:
            used.update(stream.window_at(said.frame))
    # Frames of a window that the end of the stream cuts off are computed as well.
    started = {n for n in range(30) if stream._last_use(n) is not None}
    assert used <= started and len(stems) == len(started)
    assert len(used) == needed
    assert all(clip == (1, 1) for clip in stems)
    assert max(sizes) <= stream.span
    if every % stride == 0:
        assert max(sizes) < DATA.frames
    stream.reset()
    assert not stream._ring and stream.push(FRAMES[0]).frame == 0


def test_no_decision_until_the_window_is_full(model):
    stream = recogniser(model, frame_stride=2, every=4)
    said = list(stream.run(FRAMES[:12]))
    assert [r.waiting for r in said] == [6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0]
    assert not any(r.decided or r.name or r.fresh for r in said[:6])
    assert all(r.window is None and r.smoothed is None for r in said[:6])
    assert [r.frame for r in said if r.fresh] == [6, 10]
    assert all(r.decided and r.name == CLASSES[r.label] for r in said[6:])
    # Between two windows, what the last one said.
    assert said[9].window is said[6].window and said[9].label == said[6].label


def test_smoothing_is_the_moving_average_done_by_hand(model):
    said = [r for r in recogniser(model, smoothing=0.25).run(FRAMES[:10]) if r.fresh]
    average = said[0].window
    assert torch.equal(said[0].smoothed, average)
    for r in said[1:]:
        average = 0.25 * r.window + 0.75 * average
        torch.testing.assert_close(r.smoothed, average)
        assert r.label == int(average.argmax())
        assert float(r.smoothed.sum()) == pytest.approx(1)
    assert not torch.allclose(said[-1].smoothed, said[-1].window, atol=1e-6)


def test_below_the_threshold_there_is_no_decision(model):
    best = [float(r.smoothed.max()) for r in recogniser(model).run(FRAMES) if r.fresh]
    threshold = (min(best) + max(best)) / 2
    said = [r for r in recogniser(model, threshold=threshold).run(FRAMES) if r.fresh]
    assert [r.decided for r in said] == [value >= threshold for value in best]
    assert {r.decided for r in said} == {True, False}
    assert all(r.name == "" and r.smoothed is not None for r in said if not r.decided)


def test_latency_is_stated_and_true(model):
    stream = recogniser(model, frame_stride=3, every=6, smoothing=0.5)
    said = list(stream.run(FRAMES))
    ends = [r.frame for r in said if r.fresh]
    latency = stream.latency
    assert latency.first == ends[0] + 1 == 10
    assert latency.between == ends[1] - ends[0] == 6
    assert latency.middle == ends[0] - np.mean(stream.window_at(ends[0])) == 4.5
    # Mean age of what the average holds, summed: 0.5 * 0 + 0.25 * 6 + 0.125 * 12 ...
    ages = sum(0.5 * 0.5**k * 6 * k for k in range(60))
    assert latency.smoothing == pytest.approx(ages) == 6
    assert "after 10 frames, then one every 6" in str(latency)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (FRAMES[0] / 255, "must be uint8 .* not float64"),
        (FRAMES[0].transpose(2, 0, 1), "must be uint8"),
        (np.zeros((40, 52, 4), np.uint8), "must be uint8"),
        (np.zeros((4, 512, 3), np.uint8), "frame 5 of the stream: is 512 x 4 pixels"),
    ],
)
def test_a_wrong_frame_is_refused_and_the_stream_stays(model, frame, says):
    stream, other = recogniser(model), recogniser(model)
    list(stream.run(FRAMES[:5]))
    with pytest.raises(VideoError, match=says):
        stream.push(frame)
    expected = list(other.run(FRAMES[:7]))[-1]
    after = list(stream.run(FRAMES[5:7]))[-1]
    assert after.frame == 6 and torch.equal(after.window, expected.window)


def test_frames_turned_round_read_only_or_as_tensors_are_the_same_frames(model):
    plain = list(recogniser(model).run(FRAMES[:5]))[-1]
    turned = [np.ascontiguousarray(f[..., ::-1])[..., ::-1] for f in FRAMES[:5]]
    fixed = FRAMES[:5].copy()
    fixed.flags.writeable = False
    for frames in (turned, fixed, torch.from_numpy(FRAMES[:5])):
        assert torch.equal(list(recogniser(model).run(frames))[-1].window, plain.window)


def test_the_frame_that_was_given_may_be_overwritten(model):
    """Cameras hand out the same buffer again and again."""
    buffer, stream = np.empty_like(FRAMES[0]), recogniser(model)
    for frame in FRAMES[:6]:
        buffer[:] = frame
        said = stream.push(buffer)
    true = offline(model, [2, 3, 4, 5]).double().softmax(-1)
    torch.testing.assert_close(said.window, true, atol=1e-5, rtol=0)


def test_other_models_are_refused(model):
    with pytest.raises(ModelError, match="3 classes, but 2 names"):
        StreamingRecogniser(model, ["a", "b"], DATA, 36, frame_stride=1)
    training = create_model("vfl_net_lab_student", 3)
    with pytest.raises(ModelError, match="training mode"):
        recogniser(training).push(FRAMES[0])
    with pytest.raises(RecipeError, match="crop of 32"):
        StreamingRecogniser(model, CLASSES, DATA, 30, frame_stride=1).push(FRAMES[0])


def test_an_answer_that_is_not_finite_is_refused():
    broken = create_model("vfl_net_lab_student", 3).eval()
    with torch.no_grad():
        broken.head.bias.fill_(float("nan"))
    with pytest.raises(ModelError, match="frame 3 is not finite"):
        list(recogniser(broken).run(FRAMES))


def test_a_stream_in_half_precision_stays_near(model):
    (*_, whole), (*_, half) = (
        recogniser(form).run(FRAMES[:6])
        for form in (model, copy.deepcopy(model).bfloat16())
    )
    assert 0 < (whole.window - half.window).abs().max() < 0.02
