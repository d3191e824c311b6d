"""What a removal does, as data: runs of indices, rewrites there and back."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.graph.cutting import (
    ScaleInput,
    SetAttribute,
    SetInput,
    rewrite_from_json,
    rewrite_to_json,
    runs_of,
)


@given(st.sets(st.integers(0, 60)))
def test_runs_hold_exactly_the_indices(indices: set[int]) -> None:
    runs = runs_of(sorted(indices))
    assert {index for start, end in runs for index in range(start, end)} == indices
    assert all(start < end for start, end in runs)
    assert all(one[1] < two[0] for one, two in pairwise(runs))


@pytest.mark.parametrize(
    "rewrite",
    [
        SetInput(node="n", input=1, values=(0, -1)),
        ScaleInput(node="n", input=0, numerators=(3, 0.5), denominators=(4, 1)),
        SetAttribute(node="n", attribute="group", value=3),
        SetAttribute(node="n", attribute="split", value=(1, 2)),
        SetAttribute(node="n", attribute="num_outputs", value=None),
    ],
)
def test_json_gives_every_rewrite_back(rewrite: SetInput) -> None:
    assert rewrite_from_json(json.loads(json.dumps(rewrite_to_json(rewrite)))) == rewrite


def test_damaged_rewrites_are_refused() -> None:
    with pytest.raises(KeyError):
        rewrite_from_json({"rewrite": "Explode"})
    with pytest.raises(TypeError):
        rewrite_from_json({"rewrite": "SetInput", "node": "n"})
