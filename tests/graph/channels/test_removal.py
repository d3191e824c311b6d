"""The edit that removes units, and what it refuses."""

from pathlib import Path

import pytest

from lissom.errors import MethodError, ModelError
from lissom.graph.channels.removal import removal
from tests.graph.channels.nets import Net
from tests.graph.channels.small import assert_law, followed


def two_layers() -> Net:
    net = Net()
    x = net.op("Relu", net.linear(net.input([2, 3]), 3, 5))
    return net.done(net.linear(x, 5, 2), 2)


def test_a_unit_leaves_every_weight(tmp_path: Path) -> None:
    edit = assert_law(two_layers(), {0: (0, 4)}, tmp_path)
    assert {cut.weight for cut in edit.cuts} == {"w0", "w1", "w2"}
    assert {cut.removed for cut in edit.cuts} == {((0, 1), (4, 5))}


def test_no_units_give_an_empty_edit() -> None:
    found = followed(two_layers())
    edit = removal(found, {found.groups[0].name: ()})
    assert (edit.cuts, edit.rewrites, edit.resized) == ((), (), ())


@pytest.mark.parametrize(
    ("units", "words"), [(range(5), "lose all"), ((5,), "0 to 4"), ((-1,), "0 to 4")]
)
def test_units_that_there_are_not(units: range, words: str) -> None:
    found = followed(two_layers())
    with pytest.raises(MethodError, match=words):
        removal(found, {found.groups[0].name: units})
    with pytest.raises(ModelError, match="no channel group"):
        removal(found, {"nobody": (0,)})
