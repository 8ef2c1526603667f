"""Lesson 05, video data: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

import re
from itertools import chain, product

import torch

from ..standins.scenes import ACTIONS
from .exercise import Part, changed, given, normal, whole


# 05.1
def clip_frames(frames, wanted, clips):
    size, out = frames / wanted, []
    for j in range(clips):
        p = (j + 0.5) / clips
        out.append([int((k + p) * size) for k in range(wanted)])
    return out


LENGTHS = (48, 8, 2), (48, 8, 1), (53, 5, 1), (101, 7, 3), (5, 8, 2)
frames_of_clips = Part(
    clip_frames,
    {f"{n} frames, {k} x {w} of them": given(n, w, k) for n, w, k in LENGTHS}
    | {"any length": lambda rng: (2 * whole(rng, 50, 200) + 1, 11, 4)},
)


# 05.2
def crop_corners(h, w, crop):
    top, left = ((side - crop) // 2 for side in (h, w))
    starts, high = [0, max(top, left), max(h, w) - crop], h > w
    return [(s, left) if high else (top, s) for s in starts]


SIZES = (224, 298, 224), (72, 96, 64), (53, 31, 24), (25, 100, 23), (17, 17, 10)
corners = Part(
    crop_corners,
    {f"a frame of {h} x {w}, squares of {c}": given(h, w, c) for h, w, c in SIZES},
)


# 05.3
def crop_and_flip(clip, side, rng):
    h, w = clip.shape[-2:]
    top = torch.randint(h - side + 1, (), generator=rng)
    left = torch.randint(w - side + 1, (), generator=rng)
    part = clip[..., top : top + side, left : left + side]
    mirror = torch.rand((), generator=rng) < 0.5
    return torch.where(mirror, part.flip(-1), part)


# Two mistakes in the TOML call it.
cropped = changed(crop_and_flip, ("< 0.5", "< 0"))


def alike(values, axis):
    return bool((values == values.narrow(axis, 0, 1)).all())


def as_often(places):
    """Whether the first and the last place come as often as the others."""
    there, share = places.unique(), 0.06
    ends = ((places == there[0]) | (places == there[-1])).float().mean().item()
    return abs(ends - min(1, 2 / len(there))) < share


def cut(answer, clip, side, calls, *told):
    """What was drawn, seen from the pixels of many answers: the facts in ``told``."""
    twice = [torch.Generator().manual_seed(0) for _ in range(1 + ("again" in told))]
    once, *more = ([answer(clip, side, rng) for _ in range(calls)] for rng in twice)
    if once[0] is None:
        return None
    if any(getattr(one, "shape", ())[:2] != clip.shape[:2] for one in once):
        raise ValueError("a tensor (T, 3, side, side) is asked")
    if any(one.shape[2:] != (side, side) for one in once):
        raise ValueError("not every piece is a square of the side asked")
    out = torch.stack(once)  # (calls, T, 3, side, side)
    if (out != out.round()).any():
        raise ValueError("pixels have values that the clip has not: brighter, resized?")
    if (out[..., 0, :].diff(dim=-1).abs() != 1).any():
        raise ValueError("neighbours in a piece are none in the frame: resized?")
    code, mirror = out[..., 0, :].amin(-1).long(), out[..., 0, 0] > out[..., 0, -1]
    place, share = code % clip[0, 0].numel(), mirror.float().mean().item()
    first, drawn = place[:, 0, 0], mirror[:, 0, 0]  # of one frame, one colour
    row, column = first // clip.shape[-1], first % clip.shape[-1]
    facts = {
        "place": alike(place, 1),
        "mirror": alike(mirror, 1),
        "colours": alike(place, 2) and alike(mirror, 2),
        "rows": "one" if alike(row, 0) else row.unique().tolist(),
        "columns": "one" if alike(column, 0) else column.unique().tolist(),
        "places": len(first.unique()),
        "ends": as_often(row) and as_often(column),
        "mirrored": 0.5 if 0.37 < share < 0.63 else round(share, 1),
        "each both ways": len((2 * first + drawn).unique()) == 2 * len(first.unique()),
        "in order": bool((code.diff(dim=1) == clip[0].numel()).all()),
        "upright": bool((out[..., 0, 0] < out[..., -1, 0]).all()),
        "again": all(map(torch.equal, once, *more or [once])) and not alike(out, 0),
    }
    return {name: facts[name] for name in told}


# Each pixel has a number of its own, which says where it was.
STILL = torch.arange(3.0 * 72 * 96).view(1, 3, 72, 96).repeat(8, 1, 1, 1)
SMALL = torch.arange(6.0 * 7 * 11).view(2, 3, 7, 11)
squares = Part(
    crop_and_flip,
    {
        "eight equal frames": given(STILL, 64, 9, "place", "mirror"),
        "red, green and blue": given(STILL, 64, 9, "colours"),
        "frames that differ": given(SMALL, 5, 9, "in order", "upright"),
        "every place": given(SMALL, 5, 1000, "rows", "columns", "places"),
        "all places as often": given(SMALL, 5, 1000, "ends"),
        "mirrored how often": given(SMALL, 5, 1000, "mirrored", "each both ways"),
        "the same generator": given(SMALL, 5, 20, "again"),
    },
    run=cut,
)


# 05.4
def mirrored(label, classes):
    old, sides = classes[label], {"left": "right", "right": "left"}
    new = " ".join(sides.get(word, word) for word in old.split())
    return classes.index(new) if new in classes else None


def moves(*more):
    """Three pairs of classes, one without a side and others, in a drawn order."""
    moved = product(("Pulling", "Pushing", "Rolling"), WAYS[:2])
    names = [*map(" ".join, moved), "Tilting something", *more]
    return lambda rng: ([names[n] for n in torch.randperm(len(names), generator=rng)],)


WAYS = "from left to right", "from right to left", "out of something"
THREE = [f"Pulling something {way}" for way in WAYS]
mirror = Part(
    mirrored,
    {
        "the lesson's three": given(THREE),
        "pairs anywhere in the list": moves(),
        "a class without a partner": moves("Sliding something left"),
        "inside a longer word": moves("Putting it upright", "Putting it upleft"),
        "one side in a name": moves(
            "Moving past left to left", "Moving past right to right"
        ),
    },
    run=lambda answer, classes: [answer(n, classes) for n in range(len(classes))],
)


# 05.5
def missed(chosen, frames, length):
    starts = range(frames - length + 1)
    return sum(not any(s <= n < s + length for n in chosen) for s in starts)


SEGMENTS, DENSE = [*range(16, 256, 32)], [*range(113, 142, 4)]
misses = Part(
    missed,
    {
        "segments, an action of 30": given(SEGMENTS, 256, 30),
        "dense, an action of 30": given(DENSE, 256, 30),
        "looks anywhere": lambda rng: (sorted(whole(rng, 0, 99, 7).tolist()), 99, 5),
        "an action of one frame": given([0, 3, 7, 11], 13, 1),
        "an action as long as the video": given([2, 3, 7, 11], 13, 13),
    },
)


def surely_met(chosen, frames):
    looks = [-1, *chosen, frames]
    return max(after - before for before, after in zip(looks, looks[1:], strict=False))


looks = {"segments": (SEGMENTS, 256), "dense": (DENSE, 256), "all": ([0, 1, 2], 3)}
looks |= {"early": ([2, 5, 9], 53), "late": ([41, 47, 52], 53), "one look": ([7], 11)}
meets = Part(
    surely_met,
    {name: given(*one) for name, one in looks.items()},
)


# 05.6
def in_data_order(scores, theirs, ours):
    return scores[:, [theirs.index(name) for name in ours]]


ALIKE = ["jump rope", "Jump", "jump"]  # one is in another, but for capitals
KNOWN, MOVED = ["Rising", "Sinking", "Swelling"], [*ACTIONS[5:], *ACTIONS[:5]]
in_order = Part(
    in_data_order,
    {
        "the lesson's cycle": given(
            torch.tensor([[0.7, 0.2, 0.1]]), KNOWN, ["Sinking", "Swelling", "Rising"]
        ),
        "a swap": lambda rng: (normal(rng, 5, 3), ALIKE, [*ALIKE[::-1]]),
        "twelve, moved on by five": lambda rng: (normal(rng, 7, 12), [*ACTIONS], MOVED),
        "clips as classes": lambda rng: (normal(rng, 12, 12), MOVED, [*ACTIONS]),
        "five of the classes": lambda rng: (normal(rng, 7, 12), [*ACTIONS], MOVED[4:9]),
        "the same order": lambda rng: (normal(rng, 3, 12), [*ACTIONS], [*ACTIONS]),
    },
    axes="B K",
)


# 05.7
def split(groups, share, seed):
    names, rng = sorted(set(groups)), torch.Generator().manual_seed(seed)
    mix = torch.randperm(len(names), generator=rng).tolist()
    tested = {names[n] for n in mix[: round(share * len(names))]}
    train = [n for n, group in enumerate(groups) if group not in tested]
    test = [n for n, group in enumerate(groups) if group in tested]
    return train, test


def parted(answer, groups, share, *told):
    """The facts in ``told`` about the splits of nine seeds, the first one twice."""
    made = [answer(groups, share, seed) for seed in (0, *range(9))]
    if made[0] is None:
        return None
    made = [[torch.as_tensor([*side]).tolist() for side in one] for one in made]
    clips, numbers = [*range(len(groups))], [*chain(*chain(*made))]
    if sorted(chain(*made[0])) == [n + 1 for n in clips]:
        return dict.fromkeys(told, "clips counted from 1")
    if not set(numbers) <= {*clips}:
        return dict.fromkeys(told, "numbers that no clip has")
    sides = [[{groups[n] for n in side} for side in one] for one in made]
    counts, tested = {len(test) for _, test in sides}, {frozenset(t) for _, t in sides}
    ordered, most = sorted(set(groups)), max(counts)
    ends = tested <= {frozenset(ordered[:most]), frozenset(ordered[-most:])}
    facts = {
        "whole": not any(train & test for train, test in sides),
        "once": all(sorted(chain(*one)) == clips for one in made),
        "groups": counts.pop() if len(counts) == 1 else "one time more than another",
        "again": [*map(sorted, made[0])] == [*map(sorted, made[1])],
        "drawn": len(tested) > 1 or ("always at an end" if ends else "always the same"),
    }
    return {name: facts[name] for name in told}


TWOS, UNEQUAL = [n // 2 for n in range(48)], [round(n**0.5) for n in range(91)]
splits = Part(
    split,
    {
        "24 groups of two, a fifth": given(TWOS, 0.2, "whole", "once", "groups"),
        "large and small groups": given(UNEQUAL, 0.2, "whole", "once", "groups"),
        "7 groups, 0.3 of them": given(
            [*range(10, 80, 10)] * 3, 0.3, "whole", "groups"
        ),
        "half of six groups": given([*range(9, 15)] * 2, 0.5, "groups"),
        "the same seed": given(TWOS, 0.2, "again"),
        "nine seeds": given(UNEQUAL, 0.2, "drawn"),
    },
    run=parted,
)


def leaked(train, test):
    def scene(name):
        return name.split("/")[0], name.split("_g")[-1][:2]

    known = {scene(name) for name in train}
    return sum(scene(name) in known for name in test)


IDS = product(ACTIONS, range(1, 25), (1, 2))
CLIPS = [f"{name}/v_{name}_g{group:02}_c0{clip}.avi" for name, group, clip in IDS]
leaks = Part(
    leaked,
    {
        "80 % of a class by name": given(CLIPS[:39], CLIPS[39:48]),
        "clips of all classes": given(CLIPS[::7], CLIPS[3::11]),
        "two groups": given(CLIPS[:9], CLIPS[6:10]),
        "two classes": given(CLIPS[:21], CLIPS[48:97]),
        "whole groups": given(CLIPS[:30], CLIPS[30:48]),
    },
)


# 05.8
def listed(benchmark, line, classes):
    if benchmark == "ucf101":
        file, number = line.split()
        return file, int(number) - 1
    if benchmark == "ssv2":
        file, name = line["id"] + ".webm", re.sub("[][]", "", line["template"])
    else:
        name, video, start, end = line.split(",")
        file = f"{video}_{int(start):06}_{int(end):06}.mp4"
    return file, classes.index(name)


NAMES = ["skiing crosscountry", "Rising", "Putting number of something onto something"]
ENTRY = {"id": "3", "template": "Putting [number of] [something] onto [something]"}
lists = Part(
    listed,
    {
        "a line of UCF101": given("ucf101", CLIPS[0] + " 1", [*ACTIONS]),
        "another of UCF101": given("ucf101", CLIPS[199] + " 12", MOVED),
        "an entry of SSv2": given("ssv2", ENTRY, NAMES),
        "Kinetics": given("kinetics400", "Rising,UUWFg1Z0oCg,23,33", NAMES),
        "later": given("kinetics400", "skiing crosscountry,0ru1X6Xby0y,107,115", NAMES),
    },
)
PARTS = {"05.1": frames_of_clips, "05.2": corners, "05.3": squares, "05.4": mirror}
PARTS |= {"05.5": {"missed": misses, "surely_met": meets}, "05.6": in_order}
PARTS |= {"05.7": {"split": splits, "leaked": leaks}, "05.8": lists}
