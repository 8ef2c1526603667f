"""What decides a stored logit, and how two such descriptions differ.

Public names: ``CacheKey``, ``key_fields``, ``make_key``, ``cache_name``,
``weights_digest``, ``differences``.

Stored logits are those of *this* teacher about *this* view of *these* videos. The key
names all of it: the teacher's weights and the precision it computes in; the clips,
their order and the content of their files; every number of the sampling and the
augmentation; the seed and the number of views; the classes in their order; and the
code of the teacher and of a view, with the versions of the libraries under it. What a
student does with the logits (alpha, temperature, loss, epochs) is not part of it, so
that several students share one cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

from .. import seeding
from ..video import clips as video_clips
from ..video import frame_cache, reading, sampling, transforms
from ..video.reading import BACKEND_VARIABLE
from .code import code_digest, network_digest

# The modules that turn a file, a seed and a recipe into a view.
_CODE = (*(video_clips, transforms, sampling, seeding, reading, frame_cache),)
# Of the recipes: what does not change a training clip.
_DATA_IDLE = ("workers", "cache_frames", "max_unreadable", "holdout_share")
_AUGMENT_IDLE = ("mixup", "cutmix", "label_smoothing")
_FORMAT = 2
_SHOWN = 6  # differences in one message


def weights_digest(model: nn.Module) -> str:
    """The first 16 hex digits of the SHA-256 of all names and values."""
    digest = hashlib.sha256()
    values = model.state_dict()
    for name, value in model.named_buffers():  # some are not in the state dict
        values.setdefault(name, value)
    for name, value in values.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def differences(
    there: dict[str, Any],
    here: dict[str, Any],
    absent: dict[str, Any] | None = None,
) -> list[str]:
    """One phrase for each field in which two descriptions differ.

    Args:
        absent: what a field that is not there stands for, if not for None.
    """
    absent = absent or {}
    pairs = {
        name: (there.get(name, absent.get(name)), here.get(name, absent.get(name)))
        for name in sorted(set(there) | set(here))
    }
    return [
        f"{name} ({before} there, {now} now)"
        for name, (before, now) in pairs.items()
        if before != now
    ]


@dataclass(frozen=True)
class CacheKey:
    """A flat description, and the lists behind those of its fields that are digests.

    Attributes:
        fields: name -> plain value; two caches are the same where these are equal.
        lists: name of a field -> the list that it is the digest of; only there to
            say *which* clip or class differs.
    """

    fields: dict[str, Any]
    lists: dict[str, list[Any]]

    @property
    def digest(self) -> str:
        """32 hex digits that stand for ``fields``."""
        return _digest(self.fields)

    def differences(self, now: CacheKey) -> list[str]:
        """One phrase for each field in which this key, of a folder, is not ``now``."""
        phrases = []
        for name in sorted(set(self.fields) | set(now.fields)):
            pair = {name: self.fields.get(name)}, {name: now.fields.get(name)}
            plain = differences(*pair)
            if plain and name in self.lists and name in now.lists:
                phrases.append(f"{name} ({self._first_difference(name, now)})")
            else:
                phrases.extend(plain)
        return phrases

    def _first_difference(self, name: str, now: CacheKey) -> str:
        """Where two lists differ, in words."""
        there, here = self.lists[name], now.lists[name]
        if len(there) != len(here):
            return f"{len(there)} there, {len(here)} now"
        places = [i for i in range(len(here)) if there[i] != here[i]]
        more = f", and {len(places) - 1} more" if len(places) > 1 else ""
        first = places[0]
        if name == "video files":  # a digest says nothing to a reader
            clip = now.lists["training clips"][first]
            return f"other content now: {clip[0]}{more}"
        return f"number {first}: {there[first]} there, {here[first]} now{more}"

    def told(self, now: CacheKey) -> str:
        """The differences as one text, not too long."""
        found = self.differences(now)
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return "; ".join(found[:_SHOWN]) + more

    def to_bytes(self) -> bytes:
        """JSON; the inverse of ``from_bytes``."""
        return json.dumps({"digest": self.digest, **asdict(self)}, indent=0).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> CacheKey:
        """Read a key back.

        Raises:
            ValueError, KeyError, TypeError: it is no key, or was changed by hand.
        """
        read = json.loads(content)
        key = cls(dict(read["fields"]), {k: list(v) for k, v in read["lists"].items()})
        if read["digest"] != key.digest:
            raise ValueError("its digest is not that of its fields")
        for name, entries in key.lists.items():
            if key.fields[name] != _digest(entries):
                raise ValueError(f"its list of {name} is not the one it was made with")
        return key


def key_fields(
    teacher: nn.Module,
    clips: Any,
    *,
    views: int,
    precision: str,
    classes: Sequence[str],
) -> CacheKey:
    """The key but for the content of the videos, which ``make_key`` adds.

    Args:
        teacher: with the weights that are asked.
        clips: the training clips: ``samples`` and, where it has them, ``data`` and
            ``augment`` (recipes), ``seed`` and ``flip_labels``.
        views: K.
        precision: of the teacher's forward pass: "no", "bf16" or "fp16".
        classes: names in the order of the logits.
    """
    lists: dict[str, list[Any]] = {
        "training clips": [[s.name, s.label] for s in clips.samples],
        "classes": list(classes),
    }
    config = getattr(teacher, "config", None)
    layers, code = network_digest(teacher)
    fields: dict[str, Any] = {
        "format": _FORMAT,
        "teacher network": repr(config) if config else type(teacher).__name__,
        "teacher layers": layers,
        "teacher weights": weights_digest(teacher),
        "code of the teacher": code,
        "precision": precision,
        "distil.stored_views": views,
        "clips.seed": getattr(clips, "seed", None),
        "labels of flipped clips": sorted(
            (getattr(clips, "flip_labels", None) or {}).items()
        ),
        "code of the views": code_digest([*_CODE, type(clips)]),
        "libraries under it": _libraries(),
    }
    for part, idle in (("data", _DATA_IDLE), ("augment", _AUGMENT_IDLE)):
        recipe = getattr(clips, part, None)  # clips made in memory may have none
        values = asdict(recipe) if is_dataclass(recipe) else {}
        fields |= {f"{part}.{k}": v for k, v in values.items() if k not in idle}
    fields |= {name: _digest(entries) for name, entries in lists.items()}
    return _plain(fields, lists)


def make_key(fields: CacheKey, files: Sequence[str | None]) -> CacheKey:
    """The whole key: ``key_fields``, and a mark for each clip's content.

    Args:
        files: of ``FileMarks.of``, in the order of the clips; of a clip that is in
            memory alone, a mark of its views.
    """
    more = {"video files": list(files)}
    return _plain(
        fields.fields | {"video files": _digest(more["video files"])},
        fields.lists | more,
    )


def cache_name(fields: CacheKey) -> str:
    """A folder's name for all that ``key_fields`` says.

    Runs with the same teacher, clips and augmentation share the folder. The content
    of the videos is not in the name: where a video changes under its old name, the
    folder is found, and refused.
    """
    return f"views{fields.fields['distil.stored_views']}_{fields.digest[:16]}"


def _plain(fields: dict[str, Any], lists: dict[str, list[Any]]) -> CacheKey:
    """As it comes back from a file: lists for tuples."""
    return CacheKey(json.loads(json.dumps(fields)), json.loads(json.dumps(lists)))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def _libraries() -> list[str]:
    """What resizes, colours and decodes, with versions."""
    found = [f"reader {os.environ.get(BACKEND_VARIABLE, 'auto')}"]
    found.append(f"python {sys.version_info.major}.{sys.version_info.minor}")
    for name in ("torch", "torchvision", "av", "decord"):
        try:
            found.append(f"{name} {version(name).partition('+')[0]}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return found
