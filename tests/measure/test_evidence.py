"""Evidence answers what was asked for and nothing else."""

import numpy as np
import pytest

from lissom.measure.evidence import Evidence, Need
from lissom.numerics.histogram import Histogram


def test_histograms_by_name():
    seen = Histogram.of(np.arange(4.0))
    evidence = Evidence(samples_fingerprint="f", count=4, histograms={"x": seen})
    assert evidence.histogram("x") is seen
    with pytest.raises(KeyError):
        evidence.histogram("y")


def test_needs_are_words():
    assert [str(need) for need in Need] == ["ranges", "rows", "gradients"]
