"""Lines: where their axis begins."""

import pytest

from dvfl_lib.figures import line_figure


@pytest.mark.parametrize("from_zero", [True, False])
def test_an_axis_holds_zero_where_it_is_asked_to(from_zero):
    lines = {"a": ([1, 2, 3], [3.8, 4.2, 4.0])}
    low, high = (
        line_figure(lines, x="frame", y="length", from_zero=from_zero)
        .axes[0]
        .get_ylim()
    )
    assert (low <= 0) == from_zero and high >= 4.2
