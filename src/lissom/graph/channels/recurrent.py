"""Rules of recurrent cells: a hidden unit lives in every gate, in both directions, and in states.

W [directions, gates x hidden, input], R [directions, gates x hidden, hidden], B [directions,
2 x gates x hidden], P [directions, peepholes x hidden]; Y [time, directions, batch, hidden].
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from lissom.graph.channels.elementwise import MEETS
from lissom.graph.channels.identities import Axes, Ids
from lissom.graph.channels.products import INPUT
from lissom.graph.channels.walk import CannotFollow, Rule, Walk
from lissom.graph.model import NodeInfo

__all__ = ["RULES"]

_GATES: Final = {"LSTM": 4, "GRU": 3, "RNN": 1}
_STATES: Final = {5: 2, 6: 2}  # initial_h and initial_c: the axis of hidden units


def cell(walk: Walk, node: NodeInfo) -> list[Axes]:
    """LSTM, GRU and RNN, in one direction or both."""
    inputs = (*node.inputs, *[""] * 8)[:8]
    gates = _GATES[node.op_type]
    hidden = walk.shape(inputs[2])[-1]
    if node.attributes.get("layout", 0) or hidden == 1:
        raise CannotFollow("batches first, or a single hidden unit")
    *steps, read = walk.of(inputs[0])
    walk.freeze(steps, "a cell goes along it")
    if walk.shape(inputs[0])[-1] > 1:
        walk.unite([read, walk.of(inputs[1])[-1]], INPUT)
        walk.read(node, 0, len(walk.shape(inputs[0])) - 1, read)
    units = walk.of(inputs[2])[-1]
    if units is None:
        raise CannotFollow("weights that are computed")
    for number, count in ((1, gates), (2, gates), (3, 2 * gates), (7, 3)):
        if inputs[number]:
            _fold(walk, walk.of(inputs[number])[1], units, count)
    for number, axis in _STATES.items():
        if inputs[number]:
            walk.unite([units, walk.of(inputs[number])[axis]], MEETS)
    if inputs[4]:
        walk.freeze(walk.of(inputs[4]), "it says how long each sequence is")
    for number in (1, 2, 3, 5, 6, 7):
        if inputs[number]:
            walk.freeze(walk.of(inputs[number])[: _STATES.get(number, 1)], "it is a direction")
    last: Axes = (None, None, units)
    return [(None, None, None, units), last, last][: len(node.outputs)]


def _fold(walk: Walk, ids: Ids | None, units: Ids, count: int) -> None:
    """Unite the rows of every gate with the hidden units."""
    if ids is None:
        walk.ids.freeze(units, MEETS)
    else:
        walk.ids.unite(ids, np.tile(units, count))


RULES: Final[Mapping[tuple[str, str], Rule]] = {("", name): cell for name in _GATES}
