"""A feed goes to disk and comes back, whatever its names and types."""

from pathlib import Path

import numpy as np
import pytest

from lissom.errors import SamplesError
from lissom.measure.feeds import read_feed, write_feed


def test_round_trip(tmp_path: Path) -> None:
    feed = {
        "file": np.ones((1, 2), np.float32),
        "../x:0/y": np.asarray(3, np.int64),
        "bool": np.zeros(0, bool),
        "half": np.ones(2, np.float16),
        "text": np.asarray(["a", "longer"], dtype=object),
    }
    found = read_feed(write_feed(feed, tmp_path))
    assert list(found) == list(feed)
    for name, array in feed.items():
        assert found[name].shape == array.shape
        assert (found[name] == array).all()
    assert found["text"].dtype.kind == "U"
    assert found["half"].dtype == np.float16
    assert len(list(tmp_path.iterdir())) == 5


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="'x' holds Python objects"):
        write_feed({"x": np.asarray([None], dtype=object)}, tmp_path)
