import pytest

from lissom.errors import ModelError
from lissom.graph.growth import MAIN, called, expanded_nodes


def test_calls_are_counted_with_what_they_become():
    assert expanded_nodes({MAIN: {"Relu": 3}}) == 3
    calls = {MAIN: {"F": 2, "Relu": 1}, "F": {"G": 3}, "G": {"Add": 1, "Mul": 1}, "H": {"H": 1}}
    assert expanded_nodes(calls) == 2 * 3 * 2 + 1
    doubling = {f"F{i}": {f"F{i + 1}": 2} for i in range(60)}
    assert expanded_nodes({MAIN: {"F0": 1}, **doubling}) == 1 << 60


@pytest.mark.parametrize(
    "calls",
    [
        {MAIN: {"F": 1}, "F": {"F": 1}},
        {MAIN: {"F": 1}, "F": {"G": 1}, "G": {"F": 1}},
        {MAIN: {"F0": 1}} | {f"F{i}": {f"F{i + 1}": 1} for i in range(2000)},
    ],
)
def test_circles_and_depths_are_refused(calls):
    with pytest.raises(ModelError, match="call one another"):
        expanded_nodes(calls)


def test_the_standard_domain_has_two_names():
    assert called("Relu", "ai.onnx", "") == called("Relu", "", "") != called("Relu", "other", "")
    assert called("F", "d", "") != called("F", "d", "o")
