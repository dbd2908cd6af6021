"""Checks of parameters: what passes, and what is said of what does not."""

import pytest

from memtwin.hdl.core.check import check_integer


@pytest.mark.parametrize(("value", "bounds"), [(1, (1,)), (10**6, (1,)), (0, (0, 7)), (7, (0, 7)), (-3, (-3, -3))])
def test_integers_within_the_bounds_pass(value, bounds):
    check_integer("rows", value, *bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (0, (1,), ValueError, "rows must be at least 1, not 0"),
        (0, (1, 7), ValueError, r"rows must be in 1\.\.7, not 0"),
        (8, (1, 7), ValueError, r"rows must be in 1\.\.7, not 8"),
        (2.0, (1,), TypeError, r"rows must be an integer, not 2\.0"),
        (True, (1, 7), TypeError, "rows must be an integer, not True"),
        (None, (1,), TypeError, "rows must be an integer, not None"),
    ],
)
def test_what_is_wrong_is_said(value, bounds, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        check_integer("rows", value, *bounds)
