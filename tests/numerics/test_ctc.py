import itertools

import numpy as np
import pytest

from lissom.numerics.ctc import collapse, line_probability
from lissom.numerics.sketch import sketch
from lissom.numerics.statistics import softmax


def test_reading_a_line():
    assert collapse(np.array([0, 1, 1, 0, 1, 2, 2, 0]), 0) == (1, 1, 2)
    assert collapse(np.array([2, 2, 1, 1, 2]), 2) == (1,)
    assert collapse(np.array([], dtype=int), 0) == ()
    assert collapse(np.array([0, 0]), 0) == ()


@pytest.mark.parametrize("blank", [0, 2])
def test_a_line_is_as_likely_as_all_its_paths(blank):
    scores = np.random.default_rng(0).normal(size=(4, 3))
    each = softmax(scores)
    lines = {}
    for path in itertools.product(range(3), repeat=4):
        line = collapse(np.array(path), blank)
        lines[line] = lines.get(line, 0.0) + float(np.prod(each[np.arange(4), path]))
    steps = sketch(scores, keep=3, probabilities=False)
    found = line_probability(steps, list(lines), blank)
    assert found == pytest.approx(list(lines.values()), abs=1e-6)
    assert sum(found) == pytest.approx(1.0, abs=1e-6)


def test_a_line_longer_than_the_steps_is_impossible():
    steps = sketch(np.zeros((2, 3)), keep=3, probabilities=False)
    assert line_probability(steps, [(1, 2, 1), (1, 1)], 0) == [0.0, 0.0]


def test_long_lines_do_not_underflow():
    scores = np.zeros((400, 3))
    scores[np.arange(400), np.arange(400) % 2] = 12.0
    steps = sketch(scores, keep=3, probabilities=False)
    line = collapse(steps.top, 0)
    assert line_probability(steps, [line], 0)[0] == pytest.approx(1.0, abs=0.01)
