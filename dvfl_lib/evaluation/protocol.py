"""The multi-view protocol: every view of every video, in the order of the list.

Public names: ``evaluate``, ``cached_evaluation``, ``EvaluationInfo``,
``evaluation_key``.

A video's answer is the mean of the softmax over its V = clips x crops views.
No video is left out, nothing is drawn at random, and the network runs in
evaluation mode, where one view cannot change another's result. So the answer
depends neither on how many views share a forward pass nor on the workers,
beyond the rounding of floating-point sums.

Evaluation runs on one process. Under ``accelerate launch`` call it on the main
process, with the unwrapped model, and let the others wait.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..errors import DatasetError, ModelError
from ..files import write_whole
from ..video.clips import EvaluationViews
from ..weights.reading import weights_digest
from .results import Evaluation, Views

_AUTOCAST = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_SAVE_EVERY = 20.0  # seconds of work that an interruption may cost


@dataclass(frozen=True)
class EvaluationInfo:
    """Whose result it is, and on what list; written into the result."""

    name: str  # what the network is called in tables
    standin: bool  # whether the videos are generated
    model: str  # such as "vfl_net_nano"
    dataset: str
    split: str
    subset: str = "test"


def evaluate(
    model: nn.Module,
    views_dataset: EvaluationViews,
    *,
    class_names: Sequence[str],
    about: EvaluationInfo,
    batch_size: int = 8,
    workers: int = 0,
    device: torch.device | str | None = None,
    precision: str = "no",
    max_unreadable: float = 0.01,
    progress: bool = True,
    resume_dir: str | Path | None = None,
    key: str = "",
    description: str = "",
) -> Evaluation:
    """Score a network on a list of videos, all views of each.

    Args:
        model: clip (B, T, 3, H, W) -> logits (B, K); its mode is restored.
        class_names: K names, in the order of the labels.
        batch_size, workers: views per forward pass, loader processes; neither
            changes a result.
        device: where to compute; None stays where the model is.
        precision: "no" (float32), "bf16" or "fp16"; softmax and mean are float64.
        max_unreadable: greatest share of videos that may be left out unread.
        resume_dir: where to keep what is done, and to go on after an interruption.
        key: names what is kept, see ``evaluation_key``; made here if empty.
        description: before the bar; ``about.name`` if empty.

    Raises:
        DatasetError: no video, a label without a class, too many unreadable videos.
        ModelError: outputs that are not finite, or not one per class.
    """
    samples = views_dataset.samples
    _check(samples, class_names)
    if device is None:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
    done = _Progress.empty(len(samples), len(class_names))
    if resume_dir is not None:
        key = key or evaluation_key(
            weights_digest(model.state_dict()), views_dataset, class_names, precision
        )
        done = _Progress.load_or_empty(Path(resume_dir), key, done)
    run = _Pass(model.to(device), batch_size, torch.device(device), precision)
    with tqdm(
        desc=description or about.name,
        disable=not progress,
        total=len(samples),
        initial=done.count,
        unit="video",
    ) as bar:
        run.complete(done, views_dataset, workers, bar)
    _check_unreadable(done, len(samples), max_unreadable)
    if done.path is not None:
        done.path.unlink(missing_ok=True)
    views = Views.of(views_dataset.data, views_dataset.evaluate)
    told = asdict(about) | {"views": views, "precision": precision}
    return done.result(samples, tuple(class_names), **told)


@dataclass(frozen=True)
class _Pass:
    """One pass over the videos that are still to do."""

    model: nn.Module
    batch_size: int
    device: torch.device
    precision: str

    def complete(
        self, done: _Progress, views: EvaluationViews, workers: int, bar: tqdm
    ) -> None:
        """Add every missing video to ``done``, and save it now and then."""
        loader = DataLoader(
            views,
            sampler=done.missing(),
            batch_size=None,  # item by item: what shares a forward pass is our affair
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            # Its own generator, or starting it would move the caller's random state.
            generator=torch.Generator(),
        )
        saved, last = time.monotonic(), time.monotonic()
        with _evaluation_mode(self.model), torch.inference_mode():
            for items in self.packs(loader):
                for item, answer in zip(items, self.answers(items), strict=True):
                    name = views.samples[int(item["index"])].name
                    done.record(item, answer, name)
                    bar.update()
                now = time.monotonic()
                done.seconds, last = done.seconds + now - last, now
                if now - saved > _SAVE_EVERY:
                    done.save()
                    saved = now
        done.save()  # should too many be unreadable, a larger share costs nothing

    def packs(self, loader: DataLoader) -> Iterator[list[dict[str, Any]]]:
        """Group videos until their views fill a forward pass; none is split off."""
        pack: list[dict[str, Any]] = []
        views = 0
        for item in loader:
            count = 0 if item["unreadable"] else len(item["views"])
            if pack and views + count > self.batch_size:
                yield pack
                pack, views = [], 0
            pack.append(item)
            views += count
        if pack:
            yield pack

    def answers(self, items: list[dict[str, Any]]) -> list[Tensor | None]:
        """Mean softmax (K,) of each video, None for those that cannot be read."""
        readable = [item["views"] for item in items if not item["unreadable"]]
        if not readable:
            return [None] * len(items)
        kind = _AUTOCAST[self.precision]
        outputs = []
        moved = [views.to(self.device, non_blocking=True) for views in readable]
        for views in torch.cat(moved).split(self.batch_size):  # (b, T, 3, H, W)
            with torch.autocast(self.device.type, kind, enabled=kind is not None):
                logits = self.model(views)  # (b, K)
            # On the CPU, because not every accelerator has float64.
            outputs.append(logits.cpu().double().softmax(dim=-1))
        softmax = torch.cat(outputs).split([len(v) for v in readable])  # each (V, K)
        means = iter([views.mean(dim=0) for views in softmax])
        return [None if item["unreadable"] else next(means) for item in items]


def _check(samples: Sequence[Any], class_names: Sequence[str]) -> None:
    if len(samples) == 0:
        raise DatasetError("the list to evaluate on holds no video")
    for sample in samples:
        if not 0 <= sample.label < len(class_names):
            raise DatasetError(
                f"{sample.name} has label {sample.label}, but there are only "
                f"{len(class_names)} class names"
            )


def _check_unreadable(done: _Progress, videos: int, most: float) -> None:
    share = len(done.unreadable) / videos
    if share > most or len(done.unreadable) == videos:
        first = done.unreadable[min(done.unreadable)]
        raise DatasetError(
            f"{len(done.unreadable)} of {videos} videos ({share:.1%}) could not "
            f"be read, the first: {first}; at most {most:.1%} may be skipped. "
            "Mend the data set or raise data.max_unreadable"
        )


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

    Args:
        path: ``<name>.json``; the probabilities and a mark with the key lie beside it.
        key: changes whenever the result could be another.
        score: makes the result; it is given a folder for what is half done.
    """
    mark = path.with_name(f".{path.stem}.key")
    if path.exists() and mark.exists() and mark.read_text("utf-8") == key:
        return Evaluation.load(path)
    result = score(path.with_name(f".{path.stem}"))
    result.save(path)
    write_whole(mark, key.encode())
    return result


def evaluation_key(
    weights: str, dataset: EvaluationViews, class_names: Sequence[str], precision: str
) -> str:
    """A name for exactly this evaluation: weights, videos, views, precision.

    Two evaluations that could differ in a number have different names, so what
    is half done is never continued with other weights or other files.

    Args:
        weights: see ``weights_digest``, and whatever else decides the answers.
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
    settings = [data, asdict(dataset.evaluate), precision]
    told = json.dumps([weights, videos, list(class_names), settings])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


@dataclass
class _Progress:
    """Answers so far: ``probabilities`` (N, K) and which of the N rows hold one."""

    probabilities: Tensor
    answered: Tensor  # (N,) bool
    unreadable: dict[int, str]
    seconds: float = 0.0
    path: Path | None = None

    @classmethod
    def empty(cls, videos: int, classes: int) -> _Progress:
        answered = torch.zeros(videos, dtype=torch.bool)
        return cls(torch.zeros(videos, classes), answered, {})

    @classmethod
    def load_or_empty(cls, folder: Path, key: str, empty: _Progress) -> _Progress:
        """What was done under this key; ``empty`` where there is nothing."""
        path = empty.path = folder / f"evaluation_{key}.safetensors"
        if not path.is_file():
            return empty
        try:
            with safe_open(path, framework="pt") as file:
                state = json.loads(file.metadata()["progress"])
                tensors = [file.get_tensor(n) for n in ("probabilities", "answered")]
                unreadable = {int(i): why for i, why in state["unreadable"]}
                return cls(*tensors, unreadable, state["seconds"], path)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as trouble:
            warnings.warn(
                f"{path} is damaged ({trouble}); evaluating from the start",
                stacklevel=3,
            )
            return empty

    @property
    def count(self) -> int:
        """Videos dealt with, readable or not."""
        return int(self.answered.sum()) + len(self.unreadable)

    def missing(self) -> list[int]:
        """Indices still to do, in the order of the list."""
        todo = enumerate(self.answered.tolist())
        return [i for i, done in todo if not done and i not in self.unreadable]

    def record(self, item: dict[str, Any], answer: Tensor | None, name: str) -> None:
        """Keep a video's answer (K,), or why it could not be read."""
        index = int(item["index"])
        if answer is None:
            told = "; ".join(map(str, item["unreadable"]))
            self.unreadable[index] = told if name in told else f"{name}: {told}"
            return
        if answer.numel() != (classes := self.probabilities.shape[1]):
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

    def result(
        self, samples: Sequence[Any], class_names: tuple[str, ...], **told: Any
    ) -> Evaluation:
        """The answers, without the videos that could not be read."""
        kept = [i for i in range(len(samples)) if i not in self.unreadable]
        return Evaluation(
            class_names=class_names,
            videos=tuple(samples[i].name for i in kept),
            labels=torch.tensor([samples[i].label for i in kept]).numpy(),
            probabilities=self.probabilities[kept].numpy(),
            unreadable=tuple(self.unreadable[i] for i in sorted(self.unreadable)),
            seconds=self.seconds,
            **told,
        )

    def save(self) -> None:
        if self.path is None:
            return
        state = {"unreadable": list(self.unreadable.items()), "seconds": self.seconds}
        tensors = {"probabilities": self.probabilities, "answered": self.answered}
        write_whole(self.path, save(tensors, {"progress": json.dumps(state)}))
