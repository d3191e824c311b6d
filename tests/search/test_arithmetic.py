"""How an edited graph differs from the original, node by node, as it is read from its file."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from lissom.graph.edit import Cast, Edit, FuseNodes, QuantizeActivation
from lissom.graph.load import open_trusted
from lissom.graph.model import Model
from lissom.graph.perform import perform
from lissom.graph.save import save
from lissom.runtime.target import Target
from lissom.search.arithmetic import (
    Arithmetic,
    Left,
    Product,
    arithmetic_of,
    changes,
    what_is_left,
)
from lissom.search.candidate import StepRecord
from lissom.search.opening import open_model
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import encode, encode_nbits, model_of
from tests.search.made import candidate
from tests.search.trial import Trial


def compared(model: Model, edits: list[Edit], folder: Path, store: Store) -> Arithmetic:
    """The changes that these edits make, read from the file that would be delivered."""
    save(perform(model, edits, store), folder / "model.onnx", metadata={})
    found = changes(model, open_trusted(folder / "model.onnx"))
    assert Arithmetic.from_json(json.loads(json.dumps(found.to_json()))) == found
    return found


def rounded(value: str, **how: object) -> QuantizeActivation:
    return QuantizeActivation(value=value, scale=0.05, zero_point=128, **how)


def test_nothing_is_changed_by_nothing() -> None:
    model = model_of(tiny.cnn())
    assert changes(model, model) == Arithmetic()


def test_products_on_integers_and_what_stands_between_them(tmp_path: Path) -> None:
    store, model = Store(tmp_path / "store"), model_of(tiny.cnn())
    edits = [
        encode(model, store, "conv1.weight", ("conv1",), bits=8, axis=0),
        encode(model, store, "conv2.weight", ("conv2",), bits=8, axis=0),
        *(rounded(name) for name in ("image", "r1", "p1")),
    ]
    found = compared(model, edits, tmp_path, store)
    assert found.products["conv1"].numbers == "int8"
    # integers, a scale and a zero point for each of 8 channels, a float bias
    assert found.products["conv1"].weight_bytes == 8 * 27 + 5 * 8 + 4 * 8
    assert found.products["conv2"].numbers == "int8"
    assert "fc" not in found.products
    assert found.narrowed == {"pool": 0.25}
    assert found.joined == ()


def test_weights_that_are_only_stored_narrower(tmp_path: Path) -> None:
    store, model = Store(tmp_path / "store"), model_of(tiny.mlp())
    weight = "fc0.weight"
    encoded = encode(model, store, weight, ("fc0",), bits=8, axis=0)
    found = compared(model, [encoded], tmp_path, store)
    assert found.products["fc0"].numbers == "float32"
    assert found.products["fc0"].expanded
    assert found.products["fc0"].weight_bytes < model.weights[weight].size_bytes / 2
    half = compared(model, [Cast(target=weight, kind="weight")], tmp_path, store)
    assert half.products["fc0"].numbers == "float32"
    halved = 4 * 32 + 2 * 16 * 32  # a float bias, and the weight
    assert half.products["fc0"].weight_bytes == halved


def test_arithmetic_in_half_precision(tmp_path: Path) -> None:
    store, model = Store(tmp_path / "store"), model_of(tiny.mlp())
    edits = [Cast(target=name, kind="node") for name in ("fc0", "relu0", "fc1")]
    found = compared(model, edits, tmp_path, store)
    assert {one.numbers for one in found.products.values()} == {"float16"}
    assert found.narrowed == {"relu0": 0.5}


def test_products_that_another_operator_replaced(tmp_path: Path) -> None:
    store, model = Store(tmp_path / "store"), model_of(tiny.transformer())
    dynamic = [
        encode(model, store, "ffn/up.weight", ("ffn/up/MatMul",), bits=8, axis=1),
        QuantizeActivation(value="n1", consumers=("ffn/up/MatMul",)),
    ]
    found = compared(model, dynamic, tmp_path, store)
    assert found.products["ffn/up/MatMul"].numbers == "int8"
    assert found.joined == ()
    for level, numbers in ((0, "float32"), (4, "int8")):
        packed = encode_nbits(
            model, store, "ffn/up.weight", ("ffn/up/MatMul",), transpose=True, accuracy_level=level
        )
        one = compared(model, [packed], tmp_path, store).products["ffn/up/MatMul"]
        assert one.numbers == numbers
        assert one.weight_bytes < 4 * 16 * 64 / 4


def test_nodes_put_together(tmp_path: Path) -> None:
    store, model = Store(tmp_path / "store"), model_of(tiny.transformer())
    parts = ("gelu/Div", "gelu/Erf", "gelu/Add", "gelu/Mul", "gelu/Half")
    edit = FuseNodes(
        nodes=parts, op_type="Gelu", domain="com.microsoft", inputs=("u",), output="gelu"
    )
    found = compared(model, [edit], tmp_path, store)
    assert found.joined == ((1, tuple(sorted(parts))),)
    assert found.products == {}


def test_what_is_left_of_work_when_channels_left(trial: Trial) -> None:
    opened = trial.job().opened
    found = what_is_left(model_of(tiny.cnn(channels=4)), opened)
    assert found["conv1"].macs == pytest.approx(1 / 2)
    assert found["conv2"].macs == pytest.approx(1 / 4)
    assert found["fc"].macs == pytest.approx(1 / 2)
    assert found["relu1"] == Left(values=0.5)
    assert what_is_left(model_of(tiny.cnn(channels=8)), opened) == {}


def test_what_is_left_of_recurrent_layers(trial: Trial, tmp_path: Path) -> None:
    """Their products hide in one node: four gates of the input's and the state's width."""
    path = tmp_path / "recurrent.onnx"
    onnx.save(tiny.recurrent(hidden=6), path)
    opened = open_model(path, None, store=trial.store, target=Target())
    found = what_is_left(model_of(tiny.recurrent(hidden=3)), opened)
    assert found["lstm"].macs == pytest.approx(3 * (4 + 3) / (6 * (4 + 6)))
    assert found["gru"].macs == pytest.approx(1 / 4)


def test_a_candidate_s_file_is_read_from_the_store(trial: Trial, tmp_path: Path) -> None:
    opened = trial.job().opened
    path = tmp_path / "model.onnx"
    weight = Cast(target="conv1.weight", kind="weight")
    save(perform(opened.model, [weight], opened.store), path, metadata={})
    file = opened.store.put_file(path, ".onnx")
    step = StepRecord(method="m", parameters={}, edits={"Cast": 1}, summary="", skips=())
    one = replace(candidate("half"), file=file, sha256=file.sha256, steps=(step,))
    found = arithmetic_of(one, opened)
    assert set(found.products) == {"conv1"}
    assert found.products["conv1"] == Product(
        numbers="float32", weight_bytes=2 * 216 + 4 * 8, expanded=True
    )
    assert found.left == {}
    # where channels left, a run shows how much work each node has left
    save(model_of(tiny.cnn(channels=4)), path, metadata={})
    file = opened.store.put_file(path, ".onnx")
    removal = replace(step, edits={"RemoveChannels": 1})
    pruned = replace(one, file=file, sha256=file.sha256, steps=(removal,))
    less = arithmetic_of(pruned, opened)
    assert less.left["conv2"].macs == pytest.approx(1 / 4)
    assert arithmetic_of(pruned, opened) == less
    assert not any(product.expanded for product in less.products.values())
    # the user's own file in another place has no steps, and is not opened here
    assert arithmetic_of(replace(one, steps=()), opened) == Arithmetic()
    assert arithmetic_of(replace(one, file=None), opened) == Arithmetic()
