"""Write what counts channels anew, so that it is right for inputs of every size.

A size may be a constant, or computed: rows // heads. What a computed size needs is found by trying:
nothing, scaling it, or another constant in the Div or Mul that it comes through. Only what gives
the number wanted for this run and for inputs of other sizes is taken.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from lissom.errors import MethodError
from lissom.graph.channels.after import SIZES_AT, After, Asked, Fit, Setting
from lissom.graph.channels.arithmetic import Array
from lissom.graph.channels.walk import CannotFollow, Walk
from lissom.graph.cutting import Rewrite, ScaleInput, SetInput
from lissom.graph.model import NodeInfo

__all__ = ["fitted"]

_DIVIDED: Final = frozenset({"Div", "Mul"})
_NONSENSE: Final = (ArithmeticError, CannotFollow, LookupError, TypeError, ValueError)
_Constants: TypeAlias = dict[tuple[str, int], int]
"""Another number for an input of a node, by the node and the number of the input."""


def fitted(
    walk: Walk, times: Mapping[int, int], settings: Mapping[str, Setting]
) -> tuple[After, tuple[Rewrite, ...]]:
    """The graph when classes of indices have left it or are there several times.

    Args:
        walk: the graph, walked through.
        times: how often classes will be there, where that is not once.
        settings: how each operator's settings are rewritten.

    Returns:
        The graph as it will be, and what counts channels in it anew.

    Raises:
        MethodError: something that counts channels cannot be rewritten.
    """
    start = After(walk, times, settings)
    constants: _Constants = {}
    while True:
        draft = _Draft(start, constants)
        for node in walk.model.nodes:
            draft.step(node)
        if draft.constants == constants:
            break
        constants = draft.constants  # what was written before they were found may not fit them
    draft.here.check_outputs()
    set_anew = [
        SetInput(node=node, input=number, values=(value,))
        for (node, number), value in constants.items()
    ]
    return start, (*draft.rewrites, *set_anew)


class _Draft:
    """One way through the graph, with the constants that were found so far.

    Attributes:
        here: the graph as it will be, for the sizes of the run.
        constants: those given, and what was found since.
        rewrites: what was found to rewrite otherwise.
    """

    def __init__(self, start: After, constants: _Constants) -> None:
        walk = start.walk
        self.here = start.with_numbers(start.numbers.copy())
        self.constants = dict(constants)
        self.rewrites: list[Rewrite] = []
        self._walk = walk
        self._views = [self.here]
        if any(_computed_sizes(walk)):
            self._views += [start.at(sizes) for sizes in walk.elsewhere]
        for view in self._views:
            for (node, number), value in constants.items():
                view.numbers.instead(node, number, self._like(node, number, value))
        self._done: list[NodeInfo] = []

    def step(self, node: NodeInfo) -> None:
        """Look at a node's settings."""
        self._done.append(node)
        for view in self._views:
            view.follow(node)
        try:
            asked = self.here.asked(node)
        except _NONSENSE as error:
            words = f"{node.op_type} {node.name!r} has settings that do not fit what it reads"
            raise MethodError(words) from error
        there = [_fits(view, node) for view in self._views[1:]]
        for one in asked:
            if isinstance(one, Fit):
                self._fit(node, one, [each[one.input] for each in there if one.input in each])
            else:
                self.rewrites.append(one)
        self.rewrites += self.here.keep_values(node)

    def _fit(self, node: NodeInfo, fit: Fit, elsewhere: Sequence[Fit]) -> None:
        """Rewrite an input so that it holds the integers wanted, if it does not by itself."""
        name = node.inputs[fit.input] if fit.input < len(node.inputs) else ""
        if not name or name in self._walk.model.weights:
            if fit.now != fit.wanted:
                self.rewrites.append(SetInput(node=node.name, input=fit.input, values=fit.wanted))
            return
        found = _by_itself_or_scaled(node, [fit, *elsewhere])
        for key, value in self._candidates(name) if found is None else ():
            found = self._with_constant(node, fit.input, key, value)
            if found is not None:
                self._take(key, value)
                break
        if found is not None:
            self.rewrites += found
            return
        raise MethodError(f"{node.op_type} {node.name!r} counts channels in a way that is computed")

    # -- constants in the arithmetic of sizes ----------------------------------------------------

    def _candidates(self, name: str) -> Iterator[tuple[tuple[str, int], int]]:
        """Constants of Div and Mul that a size comes through, changed as some size changes."""
        changes = sorted(self.here.changes())
        for node in reversed(self._above(name)):
            for number, given in enumerate(node.inputs):
                info = self._walk.model.weights.get(given)
                if node.op_type not in _DIVIDED or info is None or info.dtype[:3] != "int":
                    continue
                value = self._walk.numbers.of(given)
                key = (node.name, number)
                if value is None or value.size != 1 or key in self.constants:
                    continue
                held = value.item()
                found = [held * new // old for old, new in changes if not held * new % old]
                same = [new for old, new in changes if old == held]
                for other in dict.fromkeys([*same, *found]):
                    if other != held:
                        yield key, other

    def _above(self, name: str) -> list[NodeInfo]:
        """The arithmetic that a number is computed by, in order."""
        wanted, found = {name}, []
        for node in reversed(self._done):
            made = wanted.intersection(node.outputs)
            if made and any(map(self.here.numbers.computed, made)):
                found.append(node)
                wanted.update(node.inputs if node.op_type not in {"Shape", "Size"} else ())
        return found[::-1]

    def _with_constant(
        self, node: NodeInfo, number: int, key: tuple[str, int], value: int
    ) -> list[ScaleInput] | None:
        """How an input comes to hold what it must with another constant above it; None if not."""
        fits = []
        for view in self._views:
            trial = view.with_numbers(view.numbers.copy())
            self._put(trial, key, value)
            fits.append(_fits(trial, node).get(number))
        known = [fit for fit in fits if fit is not None]
        return _by_itself_or_scaled(node, known) if fits[0] is not None else None

    def _take(self, key: tuple[str, int], value: int) -> None:
        self.constants[key] = value
        for view in self._views:
            self._put(view, key, value)

    def _put(self, view: After, key: tuple[str, int], value: int) -> None:
        """Set a constant, and compute again what follows from it."""
        view.numbers.instead(*key, self._like(*key, value))
        changed: set[str] = set()
        for node in self._done:
            if node.name == key[0] or changed.intersection(node.inputs):
                view.follow(node)
                changed.update(filter(view.numbers.computed, node.outputs))

    def _like(self, node: str, number: int, value: int) -> Array:
        """A number, as the array that it stands for."""
        held = self._walk.numbers.of(self._walk.model.node(node).inputs[number])
        return np.asarray(value) if held is None else np.full_like(held, value)


def _computed_sizes(walk: Walk) -> Iterator[bool]:
    for node in walk.model.nodes:
        numbers: Collection[int] = SIZES_AT.get(node.op_type, ())
        yield any(walk.numbers.computed(node.inputs[n]) for n in numbers if n < len(node.inputs))


def _fits(view: After, node: NodeInfo) -> dict[int, Fit]:
    """What a node's inputs must hold for the sizes of a view, as far as that is known."""
    try:
        asked: list[Asked] = view.asked(node)
    except (MethodError, *_NONSENSE):
        return {}
    return {one.input: one for one in asked if isinstance(one, Fit)}


def _by_itself_or_scaled(node: NodeInfo, fits: Sequence[Fit]) -> list[ScaleInput] | None:
    """What lets an input hold what it must for all sizes: nothing or a scale; None if neither."""
    here, known = fits[0], [fit for fit in fits[1:] if fit.now is not None]
    if all(fit.now == fit.wanted for fit in (here, *known)):
        return []
    scale = _scale(node, here)
    return [scale] if scale and all(_scaled(scale, fit) for fit in (here, *known)) else None


def _scale(node: NodeInfo, fit: Fit) -> ScaleInput | None:
    """An input times new over old numbers, if that can be."""
    if fit.now is None or len(fit.now) != len(fit.wanted):
        return None
    pairs = list(zip(fit.now, fit.wanted, strict=True))
    if any(old == 0 != new for old, new in pairs):
        return None
    return ScaleInput(
        node=node.name,
        input=fit.input,
        numerators=tuple(1 if old == new else new for old, new in pairs),
        denominators=tuple(1 if old == new else old for old, new in pairs),
    )


def _scaled(scale: ScaleInput, fit: Fit) -> bool:
    """Whether a scaled input holds what it must."""
    if fit.now is None or len(fit.now) != len(scale.numerators):
        return False
    factors = zip(fit.now, scale.numerators, scale.denominators, strict=True)
    return [now * above // below for now, above, below in factors] == list(fit.wanted)
