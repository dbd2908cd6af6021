import gc
import warnings

import pytest
from amaranth.hdl import UnusedElaboratable


@pytest.fixture
def refused():
    """Expect an error from a constructor; the half-made component is not an unused one."""

    def check(error, message, component, *arguments, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedElaboratable)
            with pytest.raises(error, match=message):
                component(*arguments, **options)
            gc.collect()

    return check
