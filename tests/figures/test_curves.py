"""Curves and matrices: names are drawn as they are."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from keras_cnns import figures, metrics
from keras_cnns.figures import curves

# The first is no formula of Matplotlib's, the second would be one.
NAMES = ("$\\frac{$", "$x^2$", "5 $")


def test_names_with_dollars_are_drawn(tmp_path):
    report = metrics.report(np.eye(3), np.arange(3), NAMES)
    figures.plot_confusion_matrix(report, tmp_path / "matrix.png")
    numbers = {name: ([1, 2], [3, 4]) for name in NAMES}
    panel = figures.Panel(*NAMES[:2], numbers, NAMES[2], log_y=True)
    figures.plot_panels([panel], tmp_path / "panels.png")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_at_logarithmic_axes_only(name):
    figure = Figure()
    axes = figure.subplots()
    axes.semilogy([1, 2], [1, 1000], label=name)
    axes.set_xticks([1, 2], [name] * 2)
    axes.set_title(name)
    axes.legend()
    curves._show_dollars(figure)
    powers = axes.get_yticklabels()
    assert powers and all(text.get_parse_math() for text in powers)
    drawn = [text for text in figure.findobj(Text) if text.get_text() == name]
    assert len(drawn) >= 4  # a tick has two, of which one is drawn
    assert not any(text.get_parse_math() for text in drawn)
