"""The comparison of printed outputs forgives rounding, and nothing else."""

import pytest

from printed import Printed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.80 and 12 of 84", "0.81 and 12 of 84"),
        ("without 0.18274", "without 0.18290"),
        ("at  9.9 %", "at 10.0 %"),
        ("-1.2e-03", "-1.1e-03"),
    ],
)
def test_the_last_decimal_may_differ(one, other):
    assert Printed(one) == Printed(other) and not Printed(one) != Printed(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.80", "0.82"),
        ("42.65 %", "42.85 %"),
        ("12 of 84", "13 of 84"),
        ("Rising 0.80", "Sinking 0.80"),
        ("0.8", "0.80, 0.1"),
        ("0.1", "-0.1"),
        ("1.2e-03", "1.2e-04"),
        ("True", "False"),
    ],
)
def test_all_else_must_be_equal(one, other):
    assert Printed(one) != Printed(other) and not Printed(one) == Printed(other)
