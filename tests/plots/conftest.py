"""What the tests of drawings share."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    """So that what one test draws is not found by the next."""
    yield
    plt.close("all")
