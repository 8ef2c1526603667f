"""The multi-view protocol: every view of every video, in the order of the list.

Public names: ``evaluate``, ``cached_evaluation``, ``evaluation_key``.

A video's answer is the mean of the softmax over its V = clips x crops views. No video
is left out, nothing is drawn, and the network runs in evaluation mode: the answer
depends neither on how many views share a forward pass nor on the workers, beyond the
rounding of floating-point sums. It runs on one process: under ``accelerate launch`` on
the main one, with the unwrapped model.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..datasets.base import VideoDataset
from ..errors import DatasetError, ModelError
from ..files import write_whole
from ..video.clips import EvaluationViews
from ..video.reading import decoder_version
from ..video.transforms import resize_digest
from .results import Evaluation, Views

_AUTOCAST = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_SAVE_EVERY = 20.0  # seconds of work that an interruption may cost


def evaluate(
    model: nn.Module,
    views: EvaluationViews,
    data: VideoDataset,
    name: str,
    *,
    kind: str = "",
    batch_size: int = 8,
    workers: int = 0,
    precision: str = "no",
    max_unreadable: float = 0.01,
    progress: bool = True,
    half_done: Path | None = None,
    description: str = "",
) -> Evaluation:
    """Score a network, on the device where it is, on all views of each video.

    Args:
        model: clip (B, T, 3, H, W) -> logits (B, K); its mode is restored.
        data: the list that the views are of, with its K classes.
        name, kind: what tables call the network; its kind, such as "vfl_net_nano".
        batch_size, workers: views per forward pass, loader processes; neither
            changes a result.
        precision: "no" (float32), "bf16" or "fp16"; softmax and mean are float64.
        max_unreadable: greatest share of videos that may be left out unread.
        half_done: the file that keeps what is done, to go on after an interruption;
            of this evaluation alone, see ``cached_evaluation``. It stays.
        description: before the bar; ``name`` if empty.

    Raises:
        DatasetError: no video, or too many unreadable ones.
        ModelError: outputs that are not finite, or not one per class.
    """
    samples = views.samples
    if not samples:
        raise DatasetError("the list to evaluate on holds no video")
    done = _Progress(len(samples), len(data.classes), half_done)
    with tqdm(
        desc=description or name,
        disable=not progress,
        total=len(samples),
        initial=len(samples) - len(done.missing()),
        unit="video",
    ) as bar:
        _complete(done, model, views, batch_size, workers, precision, bar)
    gone, share = done.unreadable, len(done.unreadable) / len(samples)
    if share > max_unreadable or share == 1:
        raise DatasetError(
            f"{len(gone)} of {len(samples)} videos ({share:.1%}) could not be read, "
            f"the first: {gone[min(gone)]}; at most {max_unreadable:.1%} may be "
            "skipped. Mend the data set or raise data.max_unreadable"
        )
    kept = [i for i in range(len(samples)) if i not in gone]
    return Evaluation(
        name=name,
        model=kind,
        dataset=data.name,
        split=data.split,
        subset=data.subset,
        standin=data.standin,
        class_names=tuple(data.classes),
        videos=tuple(samples[i].name for i in kept),
        labels=torch.tensor([samples[i].label for i in kept]).numpy(),
        probabilities=done.probabilities[kept].numpy(),
        unreadable=tuple(gone[i] for i in sorted(gone)),
        views=Views.of(views.data, views.evaluate),
        precision=precision,
        seconds=done.seconds,
    )


def _complete(
    done: _Progress,
    model: nn.Module,
    dataset: EvaluationViews,
    batch_size: int,
    workers: int,
    precision: str,
    bar: tqdm,
) -> None:
    """Add every missing video to ``done``, and save it now and then."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    loader = DataLoader(
        dataset,
        sampler=done.missing(),
        batch_size=None,  # item by item: what shares a forward pass is our affair
        num_workers=workers,
        pin_memory=device.type == "cuda",
        # Its own generator, or starting it would move the caller's random state.
        generator=torch.Generator(),
    )
    started, saved = time.monotonic() - done.seconds, done.seconds
    with _evaluation_mode(model), torch.inference_mode():
        for items in _packs(loader, batch_size):
            answers = _answers(model, items, batch_size, device, _AUTOCAST[precision])
            for item, answer in zip(items, answers, strict=True):
                done.record(item, answer, dataset.samples[int(item["index"])].name)
                bar.update()
            done.seconds = time.monotonic() - started
            if done.seconds - saved > _SAVE_EVERY:
                done.save()
                saved = done.seconds
    done.save()  # should too many be unreadable, a larger share costs nothing


def _packs(loader: DataLoader, batch_size: int) -> Iterator[list[dict[str, Any]]]:
    """Group videos until their views fill a forward pass; none is split off."""
    pack: list[dict[str, Any]] = []
    views = 0
    for item in loader:
        count = 0 if item["unreadable"] else len(item["views"])
        if pack and views + count > batch_size:
            yield pack
            pack, views = [], 0
        pack.append(item)
        views += count
    if pack:
        yield pack


def _answers(
    model: nn.Module,
    items: list[dict[str, Any]],
    batch_size: int,
    device: torch.device,
    kind: torch.dtype | None,
) -> list[Tensor | None]:
    """Mean softmax (K,) of each video, None for those that cannot be read."""
    readable = [item["views"] for item in items if not item["unreadable"]]
    if not readable:
        return [None] * len(items)
    outputs = []
    moved = [views.to(device, non_blocking=True) for views in readable]
    for views in torch.cat(moved).split(batch_size):  # (b, T, 3, H, W)
        with torch.autocast(device.type, kind, enabled=kind is not None):
            logits = model(views)  # (b, K)
        # On the CPU, because not every accelerator has float64.
        outputs.append(logits.cpu().double().softmax(dim=-1))
    softmax = torch.cat(outputs).split([len(v) for v in readable])  # each (V, K)
    means = iter([views.mean(dim=0) for views in softmax])
    return [None if item["unreadable"] else next(means) for item in items]


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module's own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


# --- what is kept, and under which name -------------------------------------------


def cached_evaluation(
    path: Path, key: str, score: Callable[[Path], Evaluation]
) -> Evaluation:
    """The result in ``path`` if it was made under this key, else a new one, kept there.

    The probabilities and a mark with the key lie beside ``path``, which is a JSON file.
    ``score`` makes the result; it is given a file for what is half done, which goes
    when the result is safe.
    """
    mark = path.with_name(f".{path.stem}.key")
    if path.exists() and mark.exists() and mark.read_text("utf-8") == key:
        return Evaluation.load(path)
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    half_done = path.with_name(f".{path.stem}.{digest}.safetensors")
    result = score(half_done)
    mark.unlink(missing_ok=True)  # of another result, which is now written over
    result.save(path)
    write_whole(mark, key.encode())
    half_done.unlink(missing_ok=True)
    return result


def evaluation_key(
    weights: str, dataset: EvaluationViews, class_names: Sequence[str], precision: str
) -> str:
    """A name for exactly this evaluation: weights, videos, views, precision.

    Two evaluations that could differ in a number have different names. ``weights``:
    see ``weights.reading.weights_digest``, and whatever else decides the answers.
    """
    videos = []
    for sample in dataset.samples:
        path = getattr(sample, "path", None)
        stat = path.stat() if path is not None and path.is_file() else None
        stamp = [stat.st_size, stat.st_mtime_ns] if stat else []
        videos.append([sample.name, sample.label, *stamp])
    data = asdict(dataset.data)
    for name in ("workers", "cache_frames", "max_unreadable"):  # change no number
        del data[name]
    pixels = [decoder_version(), resize_digest()]
    settings = [data, asdict(dataset.evaluate), precision, *pixels]
    told = json.dumps([weights, videos, list(class_names), settings])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


class _Progress:
    """Answers so far, read from ``path`` where an evaluation was interrupted."""

    def __init__(self, videos: int, classes: int, path: Path | None) -> None:
        self.probabilities = torch.zeros(videos, classes)
        self.answered = torch.zeros(videos, dtype=torch.bool)  # which rows hold one
        self.unreadable: dict[int, str] = {}
        self.seconds = 0.0
        self.path = path
        if path is None or not path.is_file():
            return
        try:
            with safe_open(path, framework="pt") as file:
                state = json.loads(file.metadata()["progress"])
                tensors = [file.get_tensor(n) for n in ("probabilities", "answered")]
            unreadable = {int(i): why for i, why in state["unreadable"]}
            self.unreadable, self.seconds = unreadable, state["seconds"]
            self.probabilities, self.answered = tensors
        except Exception as trouble:  # of many kinds, from safetensors and JSON
            warnings.warn(
                f"{path} is damaged ({trouble}); evaluating from the start",
                stacklevel=3,
            )

    def missing(self) -> list[int]:
        """Indices still to do, in the order of the list."""
        todo = enumerate(self.answered.tolist())
        return [i for i, done in todo if not done and i not in self.unreadable]

    def record(self, item: dict[str, Any], answer: Tensor | None, name: str) -> None:
        """Keep a video's answer (K,), or why it could not be read."""
        index, classes = int(item["index"]), self.probabilities.shape[1]
        if answer is None:
            told = "; ".join(map(str, item["unreadable"]))
            self.unreadable[index] = told if name in told else f"{name}: {told}"
            return
        if answer.numel() != classes:
            raise ModelError(
                f"the network has {answer.numel()} outputs, but there are {classes} "
                "classes; use the weights of this data set"
            )
        if not torch.isfinite(answer).all():
            raise ModelError(
                f"the network's outputs for {name} are not finite; "
                "its training has probably diverged"
            )
        self.probabilities[index] = answer.float()
        self.answered[index] = True

    def save(self) -> None:
        if self.path is None:
            return
        state = {"unreadable": list(self.unreadable.items()), "seconds": self.seconds}
        tensors = {"probabilities": self.probabilities, "answered": self.answered}
        write_whole(self.path, save(tensors, {"progress": json.dumps(state)}))
