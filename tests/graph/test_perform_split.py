"""Weights that have channels several times: what is copied, what is shared, what is refused."""

import numpy as np
import pytest

from lissom.errors import BrokenPromise
from lissom.graph.cutting import Resizing, WeightGrowth
from lissom.graph.edit import SplitChannels
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests.graph.channels.nets import Net
from tests.graph.edited import edited, model_of, run

FEED = {"x0": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture
def model():
    net = Net()
    x = net.op("Relu", net.linear(net.input([2, 3]), 3, 5))
    return model_of(net.done(net.linear(x, 5, 2), 2))


def grown(weight, axis, *copied, shared=False):
    return WeightGrowth(weight=weight, axis=axis, copied=copied, shared=shared)


def test_a_run_is_copied_and_shared(model, tmp_path):
    copied = ((0, 2, 2), (4, 5, 3))
    growths = (
        grown("w0", 1, *copied),
        grown("w1", 0, *copied),
        grown("w2", 0, *copied, shared=True),
    )
    resized = [Resizing(value=v, axis=1, size=9) for v in ("matmul0_0", "add1_0", "relu2_0")]
    edit = SplitChannels(growths=growths, resized=tuple(resized))
    after = edited(model, [edit], Store(tmp_path))
    order, shares = [0, 1, 0, 1, 2, 3, 4, 4, 4], [2, 2, 2, 2, 1, 1, 3, 3, 3]
    assert np.array_equal(after.weight("w0"), model.weight("w0")[:, order])
    assert np.array_equal(after.weight("w1"), model.weight("w1")[order])
    np.testing.assert_allclose(
        after.weight("w2"), model.weight("w2")[order] / np.asarray(shares)[:, None], rtol=1e-6
    )
    assert after.value_shape("relu2_0") == (2, 9)
    np.testing.assert_allclose(run(after, FEED)[0], run(model, FEED)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        grown("nobody", 0, (0, 1, 2)), grown("w1", 1, (0, 1, 2)), grown("w1", -1, (0, 1, 2)),
        grown("w1", 0, (4, 6, 2)), grown("w1", 0, (-1, 1, 2)), grown("w1", 0, (2, 2, 2)),
        grown("w1", 0, (0, 2, 2), (1, 3, 2)), grown("w1", 0, (0, 1, 1)),
    ],
)  # fmt: skip
def test_growths_that_cannot_be(wrong, model, tmp_path):
    with pytest.raises(BrokenPromise, match="SplitChannels"):
        perform(model, [SplitChannels(growths=(wrong,))], Store(tmp_path))
