"""The law of factors: whatever channels are scaled by, the outputs stay as they were."""

import numpy as np
import pytest

from lissom.graph.scaling.groups import largest
from tests import tiny
from tests.graph.channels.nets import NETS, Net
from tests.graph.scaling.scaled import check_law, found_in, sizes

EXPECTED = {
    # The third input of the Gemm behind Flatten: 12 channels, each read in 16 places.
    "plain": [8, 12, 16],
    # Parameters of InstanceNormalization, then PRelu.
    "normalized": [8],
    "residual": [6, 6, 8],
    "grouped": [16, 24],
    # Values of attention, and what a normalization and a residual sum give together.
    "few_keys": [8, 16],
    "transformer": [16, 16],
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", NETS)
def test_factors_change_nothing(name, seed, tmp_path):
    found = check_law(NETS[name](), tmp_path, seed=seed)
    if name in EXPECTED:
        assert sizes(found) == EXPECTED[name]


@pytest.mark.parametrize("make", [tiny.cnn, tiny.mlp, tiny.transformer, tiny.recurrent])
def test_factors_change_nothing_in_whole_models(make, tmp_path):
    assert check_law(make(), tmp_path).channels >= 0


def test_a_group_says_what_makes_and_what_reads_it():
    found = found_in(tiny.mlp())
    (group,) = found.groups
    assert group.name == "fc0"
    assert [(use.node, use.weight) for use in group.made] == [
        ("fc0", "fc0.weight"),
        ("fc0", "fc0.bias"),
    ]
    assert [(use.node, use.weight, use.value) for use in group.read] == [
        ("fc1", "fc1.weight", "relu0.out")
    ]
    assert group.nodes == ("fc0", "fc1")
    assert found.frozen == {"fc1": "it is an output of the model"}


def test_a_weight_is_multiplied_by_what_it_makes_and_divided_by_what_it_reads():
    found = found_in(tiny.mlp())
    factors = np.append(np.full(found.channels, 4.0), 1.0)
    before = {name: found.model.weight(name) for name in found.by_weight}
    assert np.array_equal(found.scaled("fc0.weight", factors), 4.0 * before["fc0.weight"])
    assert np.array_equal(found.scaled("fc0.bias", factors), 4.0 * before["fc0.bias"])
    assert np.array_equal(found.scaled("fc1.weight", factors), before["fc1.weight"] / 4.0)
    assert np.array_equal(found.scaled("fc1.bias", factors), found.model.weight("fc1.bias"))


def test_a_model_without_weights_has_no_channels(tmp_path):
    net = Net()
    assert check_law(net.done(net.op("Relu", net.input(["n", 3])), 2), tmp_path).groups == ()


def test_the_largest_element_of_each_channel():
    array = np.asarray([[1.0, -5.0, 2.0], [0.0, 3.0, -4.0]])
    assert largest(array, np.asarray([[0, 1, 1]]), 2).tolist() == [1.0, 5.0, 0.0]
    assert largest(array, np.asarray([0, 2, 1]), 2).tolist() == [1.0, 4.0, 5.0]
    assert largest(array, np.asarray([[1], [0]]), 2).tolist() == [4.0, 5.0, 0.0]
    assert largest(np.empty((0, 3)), np.asarray([[0, 1, 1]]), 2).tolist() == [0.0, 0.0, 0.0]
