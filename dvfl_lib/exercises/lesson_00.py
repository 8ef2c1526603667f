"""Lesson 00, start here: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

import torch

from .exercise import Part, guess, normal, whole

# 00.2


def lengths_above(modulator):
    m = modulator
    lengths = m.square().sum(dim=-1).sqrt()
    return lengths - lengths.min()


def ones(rng):
    """Sixteen ones have the length 4; one token has sixteen twos."""
    modulator = torch.ones(3, 2, 5, 16)
    modulator[1, 0, 3] = 2.0
    return (modulator,)


brightness = Part(
    lengths_above,
    axes="T H W",
    cases={
        "ones, and a token of twos": ones,
        "5 frames of 3 x 11": lambda rng: (normal(rng, 5, 3, 11, 2),),
        "all sizes equal": lambda rng: (normal(rng, 5, 5, 5, 5),),
        "near one": lambda rng: (1 + 0.1 * normal(rng, 7, 3, 2, 16),),
        "one channel": lambda rng: (normal(rng, 3, 2, 7, 1),),
    },
)

# 00.3


def numbered(rng):
    """Frame t of eight is filled with the number t."""
    return torch.arange(8.0)[:, None, None, None].expand(8, 3, 2, 2).clone()


def last_first(clip):
    return clip.flip(0)


backwards = Part(
    last_first,
    axes="frame colour row column",
    cases={
        "eight frames, numbered": lambda rng: (numbered(rng),),
        "7 frames of 5 x 11": lambda rng: (normal(rng, 7, 3, 5, 11),),
        "whole numbers": lambda rng: (whole(rng, 0, 256, 5, 3, 7, 2),),
        "all sizes equal": lambda rng: (normal(rng, 3, 3, 3, 3),),
        "two frames": lambda rng: (normal(rng, 2, 3, 5, 7),),
    },
)


def one_frame(clip, frame):
    T = len(clip)
    return clip[frame].expand(T, -1, -1, -1)


frozen = Part(
    one_frame,
    axes="frame colour row column",
    cases={
        "eight frames, numbered; frame 4": lambda rng: (numbered(rng), 4),
        "7 frames; frame 2": lambda rng: (normal(rng, 7, 3, 5, 11), 2),
        "5 frames; frame 0": lambda rng: (normal(rng, 5, 3, 2, 7), 0),
        "5 frames; the last": lambda rng: (normal(rng, 5, 3, 7, 2), 4),
        "5 frames of 5 x 5; frame 1": lambda rng: (normal(rng, 5, 3, 5, 5), 1),
    },
)

# 00.4


def listed(answer, *arguments):
    """A tensor or an array of numbers is as good as a list."""
    found = answer(*arguments)
    return found.tolist() if hasattr(found, "tolist") else found


def under_the_limit(change, control, limit):
    seen = control
    quiet = seen.flatten(1).amax(dim=1) < limit
    found = [t for t in range(len(quiet)) if quiet[t]]
    return found


def lesson_control(rng):
    """Dark in the two middle frames of eight, bright at a token of all others."""
    control = torch.zeros(8, 4, 4)
    control[[0, 1, 2, 5, 6, 7], [0, 1, 2, 3, 2, 1], 1] = torch.tensor(
        [9, 5, 2, 3, 4, 8.0]
    )
    return torch.ones(8, 4, 4), control, 1.0


def one_spot(rng):
    """A control that is quiet on average; some frames have one bright token."""
    control = 0.1 * torch.rand(11, 5, 3, generator=rng)
    bright = torch.randperm(11, generator=rng)[:5]
    control[bright, 2, whole(rng, 0, 3)] = 0.9
    control[bright[0], 1:] = 0.9
    return torch.rand(11, 5, 3, generator=rng), control, 0.5


def at_the_limit(rng):
    control = whole(rng, 0, 3, 7, 2, 2).float()
    control[0], control[3], control[5], control[6] = 2.0, 1.0, 0.0, 3.0
    change = whole(rng, 0, 5, 7, 2, 2).float()
    change[3], change[5] = 0.0, 4.0  # both may be believed, little change or much
    return change, control, 2.0


believable = Part(
    under_the_limit,
    run=listed,
    cases={
        "the lesson's eight frames": lesson_control,
        "a bright token here and there": one_spot,
        "some at the limit": at_the_limit,
        "nothing to believe": lambda rng: (
            normal(rng, 5, 3, 3).abs(),
            1 + torch.ones(5, 3, 3),
            1.5,
        ),
        "one token a frame": lambda rng: (
            normal(rng, 13, 1, 1).abs(),
            torch.rand(13, 1, 1, generator=rng),
            0.6,
        ),
    },
)

# 00.5


def partner(names, pairs):
    found = [None] * len(names)
    for one, two in pairs:
        a, b = names.index(one), names.index(two)
        found[a], found[b] = b, a
    return found


def places(names, pairs):
    return [(names.index(one), names.index(two)) for one, two in pairs]


ACTIONS = (
    ("Appearing", "Vanishing"),
    ("Approaching", "Receding"),
    ("Gathering", "Scattering"),
    ("RiseToFront", "SinkToBack"),
    ("Rising", "Sinking"),
    ("Swelling", "Shrinking"),
)


def mixed(*places):
    """A case with some of the pairs, their actions in an order that is drawn."""

    def arguments(rng):
        names = [name for place in places for name in ACTIONS[place]]
        order = torch.randperm(len(names), generator=rng).tolist()
        return [names[n] for n in order], [ACTIONS[place] for place in places]

    return arguments


def of_section_6(rng):
    return ["Approaching", "Receding", "Shrinking", "Swelling"], [
        ACTIONS[1],
        ACTIONS[5],
    ]


reversal = Part(
    partner,
    run=listed,
    cases={
        "four actions": of_section_6,
        "all twelve, in the lesson's order": lambda rng: (
            sorted((name for pair in ACTIONS for name in pair), key=str.lower),
            list(ACTIONS),
        ),
        "three pairs, mixed": mixed(4, 0, 2),
        "five pairs, mixed": mixed(3, 1, 5, 0, 4),
        "a single pair": lambda rng: (["Rising", "Sinking"], [("Sinking", "Rising")]),
    },
    mistakes={
        "by name": lambda names, pairs: {
            **dict(pairs),
            **{two: one for one, two in pairs},
        },
        "neighbours": lambda names, pairs: [n ^ 1 for n in range(len(names))],
        "list backwards": lambda names, pairs: list(range(len(names)))[::-1],
        "places of pairs": lambda names, pairs: [
            next(n for n, pair in enumerate(pairs) if name in pair) for name in names
        ],
        "pair by pair": lambda names, pairs: [
            names.index(name) for pair in pairs for name in pair[::-1]
        ],
        "one way by zero": lambda names, pairs: [
            dict(places(names, pairs)).get(n, 0) for n in range(len(names))
        ],
        "one way by itself": lambda names, pairs: [
            dict(places(names, pairs)).get(n, n) for n in range(len(names))
        ],
        "dictionary of one": lambda names, pairs: [dict(pairs)[name] for name in names],
    },
)

PARTS = {
    "00.1": {"before_04": guess(4), "before_07": guess(6), "needs_04": guess(False)},
    "00.2": brightness,
    "00.3": {"backwards": backwards, "frozen": frozen},
    "00.4": believable,
    "00.5": reversal,
    "00.6": {
        "chance": guess("one in twelve"),
        "time_blind": guess("at most half"),
        "backwards_right": guess("nearly none"),
        "called_reversal": guess("nearly all"),
        "real_videos": guess(False),
    },
}
