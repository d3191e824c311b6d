"""Passes begin where the last one ended, and give what a run of the whole network gives."""

import numpy as np
import pytest

from lissom.graph.edit import ReplaceWeight
from lissom.graph.expose import intermediate_values
from lissom.graph.perform import perform
from lissom.measure.calibration import Calibration
from lissom.methods import passes as module
from lissom.methods.passes import Passes, Spool, runs
from lissom.store.store import Store
from tests import tiny
from tests.graph.graphs import model_of
from tests.methods import lab, layers

RNG = np.random.default_rng(0)


def test_arrays_come_back_from_disk_by_name_and_run(tmp_path):
    written = {("a", 0): (2, 3), ("b", 0): (1, 4), ("a", 1): (0, 3), ("a", 2): (5, 3), ("c", 0): ()}
    kinds = {"a": np.float32, "b": np.int64, "c": np.bool_}
    given = {
        (name, number): np.asarray(RNG.standard_normal(shape) * 9).astype(kinds[name])
        for (name, number), shape in written.items()
    }
    spool = Spool(tmp_path)
    for (name, _), values in given.items():
        spool.append(name, values)
    for (name, number), values in given.items():
        found = spool.read(name, number)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)
    spool.drop("a")
    assert spool.find("a", 0) is None
    np.testing.assert_array_equal(spool.find("b", 0), given["b", 0])
    assert len(list(tmp_path.iterdir())) == 2


def held(model, feeds, folder):
    calibration = lab.calibration(model, Store(folder / "store"), feeds)
    return Calibration.from_json(calibration.to_json())


def widened(monkeypatch):
    """The nodes of each part that is opened, in the order of the passes."""
    opened, extract = [], module.extract

    def watched(model, values, given):
        part = extract(model, values, given)
        opened.append([node.name for node in part.nodes])
        return part

    monkeypatch.setattr(module, "extract", watched)
    return opened


@pytest.mark.parametrize("make", [tiny.mlp, tiny.cnn, tiny.transformer, tiny.recurrent])
def test_every_value_in_turn_is_what_a_whole_run_gives(make, tmp_path, monkeypatch):
    model = model_of(make())
    calibration = held(model, [tiny.feeds(make()) for _ in range(3)], tmp_path)
    values = [name for name in intermediate_values(model) if name in model.producers]
    whole = [given for _, given in runs(model, values, calibration, tmp_path)]
    ran = widened(monkeypatch)
    passes = Passes(calibration, tmp_path, "on")
    for at, value in enumerate(values):
        found = list(passes.runs(model, [value], later=values[at + 1 :]))
        assert [number for number, _ in found] == [0, 1, 2]
        for (_, given), expected in zip(found, whole, strict=True):
            np.testing.assert_allclose(given[value], expected[value], rtol=1e-5, atol=1e-5)
    assert sum(map(len, ran)) <= len(model.nodes)
    assert not list(tmp_path.glob("on-*"))  # nothing is left of what was kept


CHAIN = layers.chain(*((RNG.standard_normal((4, 4)), RNG.standard_normal(4)) for _ in range(4)))


def test_what_may_change_is_not_begun_with(tmp_path, monkeypatch):
    """Each weight is another one after its pass; every pass must see those before it changed."""
    feeds = layers.inputs(CHAIN, count=4)
    calibration = held(CHAIN, feeds, tmp_path)
    store, now = calibration.samples.store, CHAIN
    nodes = [node.name for node in CHAIN.nodes if node.op_type == "Gemm"]
    reads = [CHAIN.node(name).inputs[0] for name in nodes]
    ran = widened(monkeypatch)
    passes = Passes(calibration, tmp_path, "on")
    for at, node in enumerate(nodes):
        later, changing = reads[at + 1 :], nodes[at:]
        found = [given[reads[at]] for _, given in passes.runs(now, [reads[at]], later, changing)]
        expected = [given[reads[at]] for _, given in runs(now, [reads[at]], calibration, tmp_path)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
        values = store.put_array(RNG.standard_normal((4, 4)).astype(np.float32))
        edit = ReplaceWeight(weight=CHAIN.node(node).inputs[1], values=values)
        now = perform(now, [edit], store)
    own = ran[::2]  # beside each a whole run
    assert [len(one) for one in own] == [2, 2, 2]


def test_without_room_a_pass_begins_at_the_start(tmp_path, monkeypatch):
    feeds = layers.inputs(CHAIN, count=4)
    calibration = held(CHAIN, feeds, tmp_path)
    first, _, _, last = (n.outputs[0] for n in CHAIN.nodes if n.op_type == "Gemm")
    ran = widened(monkeypatch)
    for room, whole in ((1 << 30, False), (16, True)):
        monkeypatch.setattr(module, "KEPT_BYTES", room)
        ran.clear()
        passes = Passes(calibration, tmp_path, "on")
        for value, later in ((first, [last]), (last, [])):
            for _ in passes.runs(CHAIN, [value], later):
                pass
        assert (len(ran[-1]) == len(CHAIN.nodes)) == whole


def test_a_pass_that_was_not_finished_leaves_nothing(tmp_path):
    feeds = layers.inputs(CHAIN, count=4)
    calibration = held(CHAIN, feeds, tmp_path)
    values = [node.outputs[0] for node in CHAIN.nodes if node.op_type == "Gemm"]
    passes = Passes(calibration, tmp_path, "on")
    stopped = passes.runs(CHAIN, values[:1], values)
    next(stopped)
    stopped.close()
    expected = [given for _, given in runs(CHAIN, values, calibration, tmp_path)]
    for value in values:
        for _, given in passes.runs(CHAIN, [value], values):
            one = expected[_][value]
            np.testing.assert_allclose(given[value], one, rtol=1e-5)


def test_large_weights_that_are_computed_are_not_kept_for_every_run(tmp_path):
    """A transposed weight is the same in every run; what is kept is what depends on the input."""
    weights = {"w": RNG.standard_normal((4, 4))}
    nodes = [("Transpose", "w", "t"), ("MatMul", "x t", "a"), ("MatMul", "a t", "y")]
    model = layers.model(nodes, weights, ["n", 4])
    calibration = held(model, layers.inputs(model, count=2), tmp_path)
    passes = Passes(calibration, tmp_path, "on")
    for _ in passes.runs(model, ["a"], ["y"]):
        pass
    assert len(list(tmp_path.glob("on-*"))) == 1
    (expected,) = [given["y"] for n, given in runs(model, ["y"], calibration, tmp_path) if n == 1]
    (found,) = [given["y"] for n, given in passes.runs(model, ["y"]) if n == 1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
