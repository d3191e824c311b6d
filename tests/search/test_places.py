"""Places: which there are on a machine, what each is called, and what is written out."""

import pytest

from lissom.errors import OptionError
from lissom.runtime import cores, registry
from lissom.runtime.onnxruntime import Runtime
from lissom.runtime.target import Target
from lissom.search import places as module
from lissom.search.places import Place, Places, in_words

FIRST = Target()
OTHER = Target(runtime="openvino")
BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Places:
    """Two runtimes on a machine of six cores."""
    monkeypatch.setattr(module, "installed", lambda: ("onnxruntime", "openvino"))
    monkeypatch.setattr(cores, "physical", lambda: 6)
    return Places.find("auto", None)


def test_one_target_is_one_place() -> None:
    found = Places.find("onnxruntime", 2, batch=4)
    assert found == Places.of(Target(threads=2, batch=4))
    assert found.others == ()
    assert found.threads == ()
    assert [place.label for place in found.runtimes] == [""]
    assert Places.of(found) is found


def test_what_a_runtime_sets_by_itself_is_written_out(both: Places) -> None:
    assert dict(both.first.options) == dict(registry.load("onnxruntime").defaults)
    assert dict(both.others[0].options)["INFERENCE_PRECISION_HINT"] == "f32"
    own = Target(runtime="openvino", options=tuple(BF16.items()))
    assert dict(Places(first=own).first.options)["INFERENCE_PRECISION_HINT"] == "bf16"


def test_auto_finds_runtimes_and_numbers_of_threads(both: Places) -> None:
    assert (both.first.runtime, both.first.threads) == ("onnxruntime", 1)
    assert [other.runtime for other in both.others] == ["openvino"]
    assert both.threads == (2, 4, 6)


@pytest.mark.parametrize(
    ("most", "counts"), [(1, ()), (2, (2,)), (3, (2, 3)), (4, (2, 4)), (12, (2, 4, 8, 12))]
)
def test_threads_double_up_to_the_cores(most: int, counts: tuple[int, ...]) -> None:
    assert module.counts_up_to(most) == counts


def test_the_default_runtime_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "runtimes", lambda: ("absent", "early", "onnxruntime"))

    class Found:
        def __init__(self, name: str) -> None:
            self.name = name

        def available(self) -> bool:
            return self.name != "absent"

    monkeypatch.setattr(registry, "load", Found)
    assert module.installed() == ("onnxruntime", "early")


def test_no_runtime_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "runtimes", lambda: ("onnxruntime",))
    monkeypatch.setattr(Runtime, "available", lambda _: False)
    with pytest.raises(OptionError, match="pip install onnxruntime"):
        Places.find("auto", 1)


def test_a_label_says_what_differs_from_the_first(both: Places) -> None:
    first, other = both.runtimes
    assert (first.label, first.words) == ("", "")
    assert (other.label, other.words) == ("openvino", ", on openvino")
    narrow = both.narrowed(other, "bf16", BF16)
    assert narrow.label == "openvino-bf16"
    assert dict(narrow.target.options)["INFERENCE_PRECISION_HINT"] == "bf16"
    assert both.threaded(first, 2).label == "2-threads"
    wide = both.threaded(narrow, 4)
    assert wide.label == "openvino-bf16-4-threads"
    assert (wide.target.threads, wide.precision) == (4, "bf16")
    assert wide.made_for == other.target


def test_within_one_runtime_its_name_is_no_news() -> None:
    only = Places(first=OTHER)
    assert only.narrowed(only.runtimes[0], "bf16", BF16).label == "bf16"
    assert isinstance(only.base("openvino"), Place)


def test_json_and_words(both: Places) -> None:
    written = both.to_json()
    assert written["threads"] == [2, 4, 6]
    assert [one["runtime"] for one in (written["first"], *written["others"])] == [
        "onnxruntime",
        "openvino",
    ]
    assert in_words(both.first) == "onnxruntime, 1 thread"
    narrow = both.narrowed(both.runtimes[1], "bf16", BF16)
    assert in_words(both.threaded(narrow, 2).target) == (
        "openvino, INFERENCE_PRECISION_HINT=bf16, 2 threads"
    )


def test_a_runtime_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OptionError, match="tvm"):
        Places.find("tvm", 1)
