"""Options that several commands share, as values."""

from pathlib import Path

import pytest

from lissom.cli.options import judge_of, samples, target_of
from lissom.errors import OptionError


def test_samples_with_what_belongs_to_them() -> None:
    given = samples(Path("s.npz"), Path("y.npy"), Path("p.yaml"))
    assert given is not None
    assert (given.source, given.labels) == (Path("s.npz"), Path("y.npy"))
    assert given.preprocessing == Path("p.yaml")


def test_nothing_belongs_to_no_samples() -> None:
    assert samples(None, None, None) is None
    for labels, preprocessing in ((Path("y.npy"), None), (None, Path("p.yaml"))):
        with pytest.raises(OptionError, match="needs --data"):
            samples(None, labels, preprocessing)


def test_target_and_judge() -> None:
    target = target_of("openvino", 2, 4)
    assert (target.runtime, target.threads, target.batch) == ("openvino", 2, 4)
    judge = judge_of("top5", 0.9)
    assert (judge.metric, judge.original_quality) == ("top5", 0.9)
