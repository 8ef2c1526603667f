"""Bars and lines of the explorer: their colours, names, and single points."""

import re
from dataclasses import replace

import numpy as np
import pytest

from dvfl_lib.explorer import first_view
from dvfl_lib.explorer.lines import probability_bars, token_lines
from small_record import small_record


@pytest.fixture(scope="module")
def record():
    return small_record(grid=0, regions=1)


def named(record, *names):
    """The record with networks of these names, all alike."""
    first = record.networks[0]
    return replace(record, networks=tuple(replace(first, name=n) for n in names))


def colours(record, view) -> list[str]:
    """Of the first group of bars, from top to bottom."""
    svg = probability_bars(record, view)
    found = re.findall(r'<rect[^>]*fill="(#\w+)"', svg)
    return found[: len(found) // len(record.classes)]


@pytest.mark.parametrize(
    "names",
    [
        ("student A", "student B", "student C", "student D"),
        ("baseline, seed 1", "baseline, seed 2"),
        ("a", "b", "c", "d", "e"),  # the third's own colour is that of a change
        ("net", "teacher, large"),
        tuple("abcdefghijkl"),  # more than there are colours
    ],
)
def test_no_two_answers_share_a_colour(record, names):
    record = named(record, *names)
    view = first_view(record)
    for own in names:
        for beside in set(names) - {own}:
            seen = colours(record, replace(view, network=own, compare=beside, change=0))
            assert len(set(seen)) == len(seen) == 3


def test_a_network_keeps_its_colour(record):
    record = named(record, "student A", "student B", "x")
    view = first_view(record)
    one, two = (
        colours(record, replace(view, network=a, compare=b))
        for a, b in (("student A", "student B"), ("student B", "student A"))
    )
    assert one == two[::-1]


def test_one_name_for_change_and_network_are_two_answers(record):
    change = record.networks[0].outcomes[0].name
    record = named(record, "student", f"student, {change}")
    seen = colours(record, replace(first_view(record), change=0))
    assert len(set(seen)) == 3


def test_the_true_class_is_shown_however_unlikely(record):
    classes = tuple(f"class {n}" for n in range(40))
    logits = np.arange(40, dtype=np.float32)
    entry = record.networks[0]
    entry = replace(entry, maps=replace(entry.maps, logits=logits))
    record = replace(record, networks=(entry,), classes=classes, label="class 3")
    svg = probability_bars(record, first_view(record))
    assert svg.count("<rect") == 6 and "class 3 (true)" in svg


def test_one_frame_is_a_dot():
    one = small_record((1, 32, 32), grid=0, regions=1)
    svg = token_lines(one, first_view(one))
    assert svg.count("<circle") == 3 + 2 and "<polyline" not in svg
    two = small_record((2, 32, 32), grid=0, regions=1)
    svg = token_lines(two, first_view(two))
    assert svg.count("<polyline") == 3 + 2 and "<circle" not in svg
