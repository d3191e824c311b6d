"""Profiles: every node once, shares that add up."""

import json
from pathlib import Path

import onnx
import pytest

from lissom.measure.profile import NodeTime, operator_times
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests import tiny


@pytest.mark.parametrize("kind", ["cnn", "recurrent"])
def test_shares_add_up(tmp_path: Path, kind: str) -> None:
    made = getattr(tiny, kind)()
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    found = operator_times(path, tiny.feeds(made), Target(), Store(tmp_path / "store"))
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert len({(one.node, one.op_type) for one in found}) == len(found)
    assert [one.milliseconds for one in found] == sorted(
        (one.milliseconds for one in found), reverse=True
    )
    wanted = "Conv" if kind == "cnn" else "LSTM"
    assert any(wanted in one.op_type for one in found)
    one = found[0]
    assert NodeTime.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_each_product_stands_for_a_node_of_the_file(tmp_path: Path) -> None:
    made = tiny.cnn()
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    store = Store(tmp_path / "store")
    found = operator_times(path, tiny.feeds(made), Target(), store, attributed=True)
    assert {"conv1", "conv2", "fc"} <= {one.stands_for for one in found}
    plain = operator_times(path, tiny.feeds(made), Target(), store)
    assert {one.stands_for for one in plain} == {None}
