"""Lesson 07, distil on UCF101: the code of its exercises.

Public names: ``PARTS``, ``ToyTraining``, ``edits``, ``in_order``.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Part, changed, normal, whole


def edits(function, table):
    """Mistakes of a line each: ``name: old => new``, a further edit after ``&&``."""
    lines = (line.strip().split(": ", 1) for line in table.strip().splitlines())
    return {
        name: changed(function, *(edit.split(" => ") for edit in told.split(" && ")))
        for name, told in lines
    }


def total(student, teacher, targets, labelled, alpha, T):
    log_q, log_p = (student / T).log_softmax(1), (teacher / T).log_softmax(1)
    kl = T**2 * (log_p.exp() * (log_p - log_q)).sum(1)
    each = -(targets * student.log_softmax(1)).sum(1)
    known = labelled.sum().clamp(min=1)
    ce = (each * labelled).sum() / known
    return alpha * kl.mean() + (1 - alpha) * ce


def two_clips(rng):
    student = torch.tensor([[1.0, 2.0, 0.0], [1.0, 0.0, 1.0]])
    teacher = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    targets = torch.tensor([[1, 28, 1], [1, 1, 28]]) / 30
    return student, teacher, targets, torch.tensor([True, False]), 0.5, 4.0


def batch_of(rng, clips, classes, labelled, alpha, T):
    targets = F.one_hot(whole(rng, 0, classes, clips), classes) * 0.9 + 0.1 / classes
    known = torch.randperm(clips, generator=rng) < labelled
    student, teacher = normal(rng, clips, classes), 2 * normal(rng, clips, classes)
    return student, teacher, targets, known, alpha, T


missing_labels = Part(
    total,
    cases={
        "the two clips by hand": two_clips,
        "3 of 11 clips labelled": lambda rng: batch_of(rng, 11, 5, 3, 0.7, 3.0),
        "no label in the batch": lambda rng: batch_of(rng, 7, 3, 0, 0.3, 2.0),
        "all labelled": lambda rng: batch_of(rng, 5, 7, 5, 0.2, 4.0),
        "as many clips as classes": lambda rng: batch_of(rng, 5, 5, 2, 0.6, 1.5),
        "one clip, labelled": lambda rng: batch_of(rng, 1, 3, 1, 0.9, 5.0),
    },
)


def differs(a, b):
    names = []
    for key in a | b:
        one, other = a.get(key, {}), b.get(key, {})
        if isinstance(one, dict) and isinstance(other, dict):
            names += [f"{key}.{name}" for name in differs(one, other)]
        elif one != other:
            names.append(key)
    return names


def in_order(answer, *arguments):
    found = answer(*arguments)
    listed = isinstance(found, list | tuple | set | type({}.keys()))
    return sorted(found, key=str) if listed else found


SHARED = {"seed": 0, "initial weights": "109ee330a1848e6c", "optim": {"epochs": 24}}
DISTIL = {"alpha": 0.5, "temperature": 4.0, "label_share": 0.15, "loss": "forward_kl"}
DISTIL |= {"random_head": False, "match": "", "match_weight": 1.0}
DISTIL |= {"stored_views": 0, "live_teacher": False}
STUDENT = SHARED | {"teacher weights": "5b1c", "distil": DISTIL}


def deep(rng):
    share = whole(rng, 2, 50) / 100
    one = {"flip": True, "colour": {"hue": share, "light": 0.4}}
    other = {"flip": True, "colour": {"hue": share + 1, "light": 0.4}, "seed": 7}
    one = {"seed": 3, "optim": {"lr": share, "epochs": 24}, "augment": one}
    return one, {"seed": 5, "optim": {"lr": share, "epochs": 12}, "augment": other}


def top_only(a, b):
    return [key for key in a | b if a.get(key) != b.get(key)]


what_differs = Part(
    differs,
    run=in_order,
    cases={
        "the two students": lambda rng: (SHARED, STUDENT),
        "one against itself": lambda rng: (deep(rng)[0], deep(rng)[0]),
        "three levels deep": deep,
        "the two students, exchanged": lambda rng: (STUDENT, SHARED),
        "each has an entry of its own": lambda rng: (
            {"distil": {"alpha": 0.5, "loss": "kl"}, "track": None, "seed": [1]},
            {"distil": {"alpha": "0.5", "match": ""}, "seed": [1], "jobs": 2},
        ),
    },
    mistakes={
        "top only": top_only,
        "top, first side": changed(top_only, ("a | b", "a")),
        "keys alone": lambda a, b: set(a) ^ set(b),
    },
)


class ToyTraining:
    """Twenty steps of four clips each: as small as a training can be."""

    def __init__(self):
        self.model = nn.Linear(2, 2)
        nn.init.zeros_(self.model.weight)
        nn.init.zeros_(self.model.bias)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5, momentum=0.9)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 5, gamma=0.5)
        self.generator = torch.Generator().manual_seed(0)  # of the augmentation
        self.step = 0  # steps done

    def train(self, until):
        while self.step < until:
            clips = 4 * self.step + torch.arange(4)  # those of this step
            x = torch.stack([clips.sin(), clips.cos()], dim=1)
            x = x + torch.randn(4, 2, generator=self.generator)
            nn.functional.cross_entropy(self.model(x), clips % 2).backward()
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.step += 1


class Snapshot:
    def __init__(self, training):
        self.model = copy.deepcopy(training.model.state_dict())
        self.optimizer = copy.deepcopy(training.optimizer.state_dict())
        self.schedule = training.schedule.state_dict()
        self.generator = training.generator.get_state()
        self.step = training.step

    def restore(self, training):
        training.model.load_state_dict(self.model)
        training.optimizer.load_state_dict(copy.deepcopy(self.optimizer))
        training.schedule.load_state_dict(self.schedule)
        training.generator.set_state(self.generator)
        training.step = self.step


def resumed(answer, stop, further, anew, times=1):
    """The weights after the last restoring and each later step, (21 - stop, 6)."""
    training, weights = ToyTraining(), []
    training.train(stop)
    snapshot = answer(training)
    for _ in range(times):
        training.train(further)
        training = ToyTraining() if anew else training
        snapshot.restore(training)
    for step in range(stop, 21):
        training.train(step if weights else 0)
        now = [p.detach().flatten() for p in training.model.parameters()]
        weights.append(torch.cat(now))
    return torch.stack(weights)


class Itself:
    def __init__(self, training):
        self.training = training

    def restore(self, training):
        vars(training).update(vars(self.training))


resume = Part(
    Snapshot,
    run=resumed,
    cases={
        "stopped after step 7, a new process": lambda rng: (7, 7, True),
        "stopped before the first step": lambda rng: (0, 0, True),
        "stopped after step 10": lambda rng: (10, 10, True),
        "stopped after the last step": lambda rng: (20, 20, True),
        "turned back from step 13 to step 7": lambda rng: (7, 13, False),
        "restored in two processes": lambda rng: (7, 13, True, 2),
        "turned back twice": lambda rng: (7, 13, False, 2),
    },
    mistakes={
        "the training itself": Itself,
        "shallow": changed(Itself, ("= training", "= copy.copy(training)")),
    },
)


def half_known(train, test):
    groups = {name.rsplit("_", 1)[0] for name in train}
    return [name for name in test if name.rsplit("_", 1)[0] in groups]


def clips_of(classes, groups, clips=(1, 2)):
    names = [f"v_{name}_g{group:02d}" for name in classes for group in groups]
    return [f"{name}_c{clip:02d}.avi" for name in names for clip in clips]


def torn(rng, classes, groups, test):
    names = clips_of(classes, range(1, groups + 1))
    order = [names[n] for n in torch.randperm(len(names), generator=rng).tolist()]
    return order[test:], order[:test]


def by(key):
    return lambda train, test: [t for t in test if key(t) in {*map(key, train)}]


A, B, REST = ["Rising"], ["Sinking"], ["Moving", "Growing", "Fading"]

groups_whole = Part(
    half_known,
    run=in_order,
    cases={
        "groups 8 to 25 and 1 to 7": lambda rng: tuple(
            clips_of(A + B, groups) for groups in (range(8, 26), range(1, 8))
        ),
        "29 of 70 clips drawn": lambda rng: torn(rng, A + B + REST, 7, 29),
        "two classes": lambda rng: (clips_of(A, [3, 5]), clips_of(B, [3, 5])),
        "one file in both lists": lambda rng: (
            clips_of(A + B, [2], (1, 3)),
            clips_of(A, [2], (3, 4)),
        ),
    },
    mistakes={
        "files": by(str),
        "number alone": by(lambda name: name.split("_")[2]),
        "class alone": by(lambda name: name.split("_")[1]),
        "clip number": by(lambda name: name.split("_")[3]),
        "often": lambda a, b: [t for t in b for one in a if one[:-8] == t[:-8]],
        "groups": lambda train, test: {n[:-8] for n in half_known(train, test)},
        "training clips": lambda train, test: half_known(test, train),
    },
)


def best_epoch(history):
    best = max(history, key=lambda entry: entry["held_out"])
    return best["epoch"], best["test"]


def of_24(rng):
    """As the lesson's distilled student: best after epoch 19, 84.2 % of the test."""
    history = []
    for n in range(1, 25):
        entry = {"epoch": n, "loss": 1 / n, "held_out": 0.81 - abs(19 - n) / 99}
        history.append(entry | {"test": 0.842 + (n - 19) / 99})
    return (history,)


def curve(rng, epochs, every=1, tied=False):
    numbers = torch.stack([torch.randperm(epochs, generator=rng) for _ in range(3)])
    if tied:  # first, last, least loss and best test are four different ones
        numbers[1, [1, 3, 6, 9]] = epochs
        numbers[0, [1, 3, 6, 9]] = torch.tensor([epochs + 1, epochs, -1, 0])
        numbers[2, [1, 3, 6, 9]] = torch.tensor([-1, epochs, 0, 0])
        numbers[1:, 4] = torch.tensor([epochs - 1, epochs + 2])  # the best sum
    history = []
    for n, (loss, held_out, test) in enumerate((numbers.T / 96).tolist()):
        history.append({"epoch": every * (n + 1), "loss": loss})
        history[-1] |= {"held_out": held_out, "test": test + 0.5}
    return (history,)


choose_here = Part(
    best_epoch,
    cases={
        "the distilled student": of_24,
        "13 epochs": lambda rng: curve(rng, 13),
        "every third epoch": lambda rng: curve(rng, 7, every=3),
        "four equally good": lambda rng: curve(rng, 11, tied=True),
    },
)


def hard_label(student, teacher):
    k = teacher.argmax(1)
    return -student.log_softmax(1)[torch.arange(len(k)), k].mean()


named_class = Part(
    hard_label,
    cases={
        "the two clips by hand": lambda rng: two_clips(rng)[:2],
        "11 clips, 5 classes": lambda rng: (normal(rng, 11, 5), normal(rng, 11, 5)),
        "as many clips as classes": lambda rng: (normal(rng, 7, 7), normal(rng, 7, 7)),
    },
)


PARTS = {
    "07.1": missing_labels,
    "07.2": what_differs,
    "07.3": resume,
    "07.4": groups_whole,
    "07.5": choose_here,
    "07.6": named_class,
}
