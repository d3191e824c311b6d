"""What channels are on samples: by hand, along either axis, and nothing for nothing."""

import numpy as np

from lissom.methods.channel_ranges import channel_ranges
from lissom.store.store import Store
from tests.graph.edited import run
from tests.methods import lab, layers


def test_by_hand(tmp_path):
    model = layers.chain((np.eye(2), np.asarray([1.0, 0.0])), (np.eye(2), np.zeros(2)))
    feeds = [{"x": np.asarray([row], np.float32)} for row in ([1, -2], [3, 4], [5, -2])]
    store = Store(tmp_path)
    seen = channel_ranges(model, {"fc0": -1, "relu0": -1}, lab.calibration(model, store, feeds),
                          store)  # fmt: skip
    assert seen["fc0"].low.tolist() == [2.0, -2.0]
    assert seen["fc0"].high.tolist() == [6.0, 4.0]
    assert seen["fc0"].mean.tolist() == [4.0, 0.0]
    np.testing.assert_allclose(seen["fc0"].deviation, [np.sqrt(8 / 3), np.sqrt(8)])
    assert seen["relu0"].low.tolist() == [2.0, 0.0]


def test_channels_of_images(tmp_path):
    rng = np.random.default_rng(0)
    layer = (rng.standard_normal((4, 4, 3, 3)), rng.standard_normal(4))
    model, store = layers.convolutions(layer, layer), Store(tmp_path)
    feeds = layers.inputs(model, count=5)
    found = channel_ranges(model, {"conv1": 1}, lab.calibration(model, store, feeds), store)
    values = np.concatenate([run(model, feed)[0] for feed in feeds])
    own = found["conv1"]
    np.testing.assert_allclose(own.low, values.min((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(own.high, values.max((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(own.mean, values.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(own.deviation, values.std((0, 2, 3)), rtol=1e-4)


def test_nothing_is_run_for_nothing(tmp_path):
    model = layers.chain((np.eye(2), None))
    store = Store(tmp_path)
    held = lab.calibration(model, store, layers.inputs(model, count=1))
    assert channel_ranges(model, {}, held, store) == {}
