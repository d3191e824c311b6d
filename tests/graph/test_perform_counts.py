"""Settings that count channels, and sizes that the graph states, said anew."""

import numpy as np
import pytest

from lissom.errors import BrokenPromise
from lissom.graph.cutting import Resizing, ScaleInput, SetAttribute, SetInput
from lissom.graph.edit import RemoveChannels
from lissom.graph.perform import perform
from lissom.store.store import Store
from tests import tiny
from tests.graph.channels.nets import Net
from tests.graph.edited import edited, model_of, run


def test_settings_are_rewritten(tmp_path):
    net = Net()
    x = net.input(["n", 6])
    target = net.op("Concat", net.op("Shape", x, start=0, end=1), net.ints(3, 2), axis=0)
    y = net.op("Reshape", x, target)
    one, other = net.op("Split", y, outputs=2, axis=1, num_outputs=2)
    y = net.op("Concat", other, one, axis=1)
    before = model_of(net.done(net.op("Reshape", y, net.ints(0, 6)), 2))
    rewrites = (
        ScaleInput(node="reshape2", input=1, numerators=(1, 2, 3), denominators=(1, 3, 2)),
        SetAttribute(node="split3", attribute="num_outputs", value=None),
        SetInput(node="split3", input=1, values=(1, 1)),
    )
    resized = [
        Resizing(value="reshape2_0", axis=axis, size=size) for axis, size in ((1, 2), (2, 3))
    ]
    resized += [Resizing(value=v, axis=2, size=3) for v in ("split3_0", "split3_1", "concat4_0")]
    resized += [Resizing(value=v, axis=1, size=1) for v in ("split3_0", "split3_1")]
    resized += [Resizing(value="concat4_0", axis=1, size=2)]
    edit = RemoveChannels(cuts=(), rewrites=rewrites, resized=tuple(resized))
    feed = {"x0": np.arange(12, dtype=np.float32).reshape(2, 6)}
    answer = run(edited(before, [edit], Store(tmp_path)), feed)[0]
    assert answer[0].tolist() == [3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rewrites": (SetAttribute(node="nobody", attribute="group", value=2),)},
        {"resized": (Resizing(value="nobody", axis=0, size=2),)},
    ],
)
def test_what_the_model_does_not_have_is_refused(wrong, tmp_path):
    model = model_of(tiny.mlp())
    with pytest.raises(BrokenPromise):
        perform(model, [RemoveChannels(cuts=(), **wrong)], Store(tmp_path))
