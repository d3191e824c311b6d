"""Options that several commands share, as values."""

from pathlib import Path

import pytest

from lissom.cli.options import asked_target, judge_of, places_of, samples, target_of
from lissom.errors import OptionError
from lissom.search import places
from lissom.search.places import Places


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


def test_a_target_is_asked_for_by_any_of_its_options() -> None:
    assert asked_target(None, None, None) is None
    assert asked_target(None, 2, None) == target_of("onnxruntime", 2, 1)
    assert asked_target("openvino", None, 4) == target_of("openvino", 1, 4)


def test_places_may_be_left_to_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "installed", lambda: ("onnxruntime", "openvino"))
    assert places_of("onnxruntime", "2", 4) == Places.of(target_of("onnxruntime", 2, 4))
    found = places_of("auto", "1", 1)
    assert [one.target.runtime for one in found.runtimes] == ["onnxruntime", "openvino"]
    assert found.threads == ()
    monkeypatch.setattr(places, "counts_up_to", lambda _: (2, 4))
    assert places_of("onnxruntime", "auto", 1).threads == (2, 4)


@pytest.mark.parametrize("wrong", ["two", "", "-1", "1.5", "9999999", "\u0662"])
def test_threads_are_a_number_or_auto(wrong: str) -> None:
    with pytest.raises(OptionError, match="--threads"):
        places_of("onnxruntime", wrong, 1)


def test_no_threads_at_all_are_refused() -> None:
    with pytest.raises(OptionError, match="at least 1"):
        places_of("onnxruntime", "0", 1)
