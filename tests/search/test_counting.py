"""What one run computes: counted on the feed, once."""

from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import ChildFailed
from lissom.graph.cost import work
from lissom.measure.observe import shapes
from lissom.search import counting as module
from lissom.search.candidate import StepRecord
from lissom.search.counting import count_macs, counted_work, same_arithmetic, seen_shapes
from tests import tiny
from tests.graph.edited import model_of
from tests.search.trial import Trial


def step(*kinds: str) -> StepRecord:
    edits = dict.fromkeys(kinds, 1)
    return StepRecord(method="m", parameters={}, edits=edits, summary="", skips=())


def test_work_is_counted_once(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = trial.job().opened
    found = counted_work(opened)
    assert found == work(
        opened.model, shapes(opened.model, opened.feed, opened.target, opened.store)
    )
    monkeypatch.setattr(module, "shapes", lambda *_: pytest.fail("run again"))
    assert counted_work(opened) == found
    assert seen_shapes(opened.model, opened)["image"] == (1, 3, 8, 8)


def test_only_what_changes_the_arithmetic_is_run(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = trial.job().opened
    whole, smaller = count_macs(opened.model, opened), model_of(tiny.cnn(channels=4))
    assert whole is not None
    found = count_macs(smaller, opened, [step("EncodeWeight"), step("RemoveChannels")])
    assert found is not None
    assert found < whole
    monkeypatch.setattr(module, "shapes", lambda *_: pytest.fail("run"))
    assert count_macs(model_of(tiny.cnn(channels=2)), opened, [step("Cast")]) == whole
    assert same_arithmetic([step("Cast"), step("EncodeWeight", "FuseNodes")])
    assert not same_arithmetic([step("Cast"), step("BypassNodes")])


def test_a_count_that_the_machine_cut_off_is_not_kept(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = trial.job().opened
    wide = replace(opened, feed={"image": np.zeros((3, 3, 8, 8), np.float32)})

    def ended(*_: object) -> None:
        raise ChildFailed("killed", "memory")

    with monkeypatch.context() as patch:
        patch.setattr(module, "shapes", ended)
        assert count_macs(opened.model, wide) is None
    assert count_macs(opened.model, wide) is not None
