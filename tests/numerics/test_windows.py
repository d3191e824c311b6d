"""Patches times a flat weight are the runtime's convolution, for every way a kernel moves."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import helper

from lissom.numerics.windows import Window, patches, picked
from tests import tiny
from tests.graph.edited import model_of, run


def convolved(x, weight, window):
    """What ONNX Runtime makes of it."""
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], "conv",
        strides=window.strides, dilations=window.dilations, pads=window.pads,
    )  # fmt: skip
    open_sizes = ["n", weight.shape[0], *[f"s{axis}" for axis in range(len(window.kernel))]]
    ports = {"x": ("float32", list(x.shape))}, {"y": ("float32", open_sizes)}
    return run(model_of(tiny.model([node], *ports, {"w": weight})), {"x": x})[0]


@st.composite
def scenes(draw):
    rank = draw(st.sampled_from([1, 2]))

    def sizes(low, high, count=rank):
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    window = Window(
        kernel=sizes(1, 3), strides=sizes(1, 3), dilations=sizes(1, 2), pads=sizes(0, 2, 2 * rank)
    )
    return window, sizes(3, 7), draw(st.integers(0, 99))


@given(scene=scenes())
def test_patches_times_the_weight_are_the_convolution(scene):
    window, size, seed = scene
    rank = len(size)
    reach = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    padded = [size[i] + window.pads[i] + window.pads[i + rank] for i in range(rank)]
    assume(all(room >= need for room, need in zip(padded, reach, strict=True)))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, *size)).astype(np.float32)
    weight = rng.standard_normal((4, 3, *window.kernel)).astype(np.float32)
    y = convolved(x, weight, window)
    places = picked(y.shape[2:], 5, seed)
    found = patches(x, window, places) @ weight.reshape(4, -1).T
    expected = np.moveaxis(y[(slice(None), slice(None), *places.T)], 2, 1).reshape(-1, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_patch_by_hand():
    window = Window(kernel=(2,), strides=(1,), dilations=(1,), pads=(1, 0))
    x = np.asarray([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    found = patches(x, window, np.asarray([[0], [2]]))
    assert found.tolist() == [[0.0, 1.0, 0.0, 4.0], [2.0, 3.0, 5.0, 6.0]]


def test_samples_come_first():
    window = Window(kernel=(1,), strides=(1,), dilations=(1,), pads=(0, 0))
    x = np.arange(6.0).reshape(2, 1, 3)
    assert patches(x, window, np.asarray([[0], [2]])).ravel().tolist() == [0, 2, 3, 5]


def test_few_positions_are_all_taken():
    assert picked((2, 3), 6, 0).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@given(most=st.integers(1, 30), seed=st.integers(0, 9))
def test_positions_are_picked_once_each_and_the_same_for_the_same_seed(most, seed):
    found = picked((4, 5), most, seed)
    assert len(found) == min(most, 20)
    assert len({tuple(place) for place in found.tolist()}) == len(found)
    assert found.max(axis=0).tolist() <= [3, 4]
    np.testing.assert_array_equal(found, picked((4, 5), most, seed))
