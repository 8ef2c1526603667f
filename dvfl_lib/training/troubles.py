"""What stops a training run, put into words.

Public names: ``note_unreadable``, ``diverged``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError, RecipeError

logger = logging.getLogger(__name__)


def note_unreadable(
    known: list[str],
    messages: Sequence[str],
    videos: int,
    allowed: float,
    kind: str = "training",
) -> None:
    """Warn once of each video that cannot be read, and add it to ``known``.

    Args:
        known: messages so far, one per video; extended in place.
        videos: videos of that kind in all.
        allowed: share of them that may be unreadable.
        kind: which list they are on, for the message.

    Raises:
        DatasetError: more than that are.
    """
    for message in messages:
        if message not in known:
            known.append(message)
            logger.warning("skipped: %s", message)
    share = len(known) / videos
    if share > allowed:
        more = f"; and {len(known) - 10} more" if len(known) > 10 else ""
        raise DatasetError(
            f"{len(known)} of {videos} {kind} videos ({share:.1%}) cannot be read, "
            f"more than data.max_unreadable ({allowed:.1%}) allows: "
            f"{'; '.join(known[:10])}{more}. Fetch them again, or take them off the "
            "list. If so many may be missing, raise data.max_unreadable"
        )


def diverged(
    loss: float, step: int, rate: float, clips: Sequence[str], folder: Path
) -> RecipeError:
    """The error for a loss, or else a gradient, that is NaN or infinite."""
    what = "gradient" if math.isfinite(loss) else "loss"
    more = f" and {len(clips) - 8} more" if len(clips) > 8 else ""
    return RecipeError(
        f"the {what} is no longer finite at step {step} (learning rate {rate:.3g}); "
        f"clips: {', '.join(clips[:8])}{more}. The last checkpoint in {folder} is "
        "intact. Try a lower optim.base_lr, a longer optim.warmup_epochs, or "
        "optim.precision 'bf16' or 'no', in another run_dir"
    )
