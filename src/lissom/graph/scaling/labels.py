"""Lead labels of factors through a graph, element by element.

Each element of a value has a label: the number of a factor that the value may be multiplied by,
without anything changing at the outputs. A weight whose outputs get labels is multiplied by those
factors, a weight that reads labelled channels is divided by them; what stands between must commute
with positive factors. So a label says by itself which weights belong to a channel, through
branches that meet again, reshapes and attention, with no list of pairs of layers.

Labels of a value are an array of its rank that broadcasts to its shape: [1, C, 1, 1] for channels,
[1, heads, 1, width] for the places of every head. They are united where factors must be equal, and
frozen, with a reason, where the factor must be one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lissom.graph.channels.arithmetic import Array, Numbers
from lissom.graph.channels.identities import Identities
from lissom.graph.channels.walk import CannotFollow, Shapes
from lissom.graph.model import Model, NodeInfo

__all__ = ["Labels", "Rule", "Scaling", "Use"]

Labels: TypeAlias = npt.NDArray[np.int64]
"""Numbers of factors, of a value's rank, broadcast to its shape."""

_LARGEST = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Use:
    """A weight that takes part in moving factors.

    Attributes:
        node: that reads the weight.
        weight: its name.
        labels: that broadcast to the weight.
        sign: 1 if the weight is multiplied by the factors, -1 if it is divided by them.
        makes: whether it makes the channels, or reads them.
        value: the computed value that meets the weight; empty for what is only added.
        matrix: whether the weight is one of a convolution or matrix product.
    """

    node: str
    weight: str
    labels: Labels
    sign: int
    makes: bool
    value: str
    matrix: bool


@dataclass(eq=False)
class Scaling:
    """A graph while labels are led through it, and what was found when that is done.

    Attributes:
        model: the graph.
        shapes: concrete, of every value that is no weight.
        ids: all labels: which are the same, and which are frozen.
        numbers: values known by number.
        labels: of every value that has some.
        uses: weights that take part.
    """

    model: Model
    shapes: Shapes

    def __post_init__(self) -> None:
        self.ids = Identities()
        self.numbers = Numbers(self.model)
        self.labels: dict[str, Labels] = {}
        self.uses: list[Use] = []
        self._asked: set[str] = set()
        self._shared = _shared(self.model)

    def lead(self, rules: Mapping[tuple[str, str], "Rule"]) -> None:
        """Go through the whole graph."""
        for node in self.model.nodes:
            self._step(node, rules.get((node.domain, node.op_type)))
        for port in self.model.outputs:
            self.freeze(self.labels.get(port.name), "it is an output of the model")

    def shape(self, name: str) -> tuple[int, ...]:
        """The concrete shape of a value or weight.

        Raises:
            CannotFollow: it is not known.
        """
        found = self.shapes.get(name)
        if found is None and name in self.model.weights:
            found = self.model.weights[name].shape
        if found is None:
            raise CannotFollow("the shape of what it reads or gives is not known")
        return found

    def number(self, name: str) -> Array | None:
        """A value known by number; None if it is not."""
        return self.numbers.of(name) if name else None

    def of(self, name: str) -> Labels | None:
        """The labels of a value; None where it cannot be scaled."""
        self._asked.add(name)
        return self.labels.get(name)

    def new(self, count: int) -> Labels:
        """Labels of so many factors of their own, [count]."""
        return self.ids.new(count)

    def freeze(self, labels: Labels | None, reason: str) -> None:
        """Say that these factors are one."""
        if labels is not None:
            self.ids.freeze(np.unique(labels), reason)

    def unite(self, found: Sequence[Labels]) -> Labels:
        """Say that labels of one rank are the same where they meet; answer them, broadcast.

        Raises:
            CannotFollow: there are too many.
        """
        shape = np.broadcast_shapes(*(each.shape for each in found))
        if int(np.prod(shape)) > _LARGEST:
            raise CannotFollow("too many factors meet")
        first, *rest = (np.broadcast_to(each, shape) for each in found)
        for each in rest:
            self.ids.unite(first.ravel(), each.ravel())
        return np.ascontiguousarray(first)

    def along(self, labels: Labels, axes: Sequence[int]) -> Labels:
        """Labels that are the same along axes, which then have size 1: what differs is united."""
        for axis in axes:
            if labels.shape[axis] > 1:
                first = labels.take([0], axis)
                self.unite([first, labels])
                labels = first
        return labels

    def use(
        self,
        node: NodeInfo,
        weight: str,
        labels: Labels,
        *,
        makes: bool,
        divisor: bool = False,
        value: str = "",
    ) -> None:
        """Note that a weight takes part, or freeze the labels where it cannot.

        Args:
            node: that reads it.
            weight: its name; a value that is no weight freezes.
            labels: that broadcast to it.
            makes: it makes the channels, and does not read them.
            divisor: it divides, so that it takes the inverse of each factor.
            value: the value that meets the weight, where it is a factor of a product.
        """
        self._asked.add(weight)
        info = self.model.weights.get(weight)
        if info is None:
            self.freeze(labels, f"{node.op_type} reads {weight!r}, which is computed")
        elif info.dtype != "float32":
            self.freeze(labels, f"{weight!r} is {info.dtype}")
        elif weight in self._shared:
            self.freeze(labels, f"several operators share {weight!r}")
        else:
            matrix = node.op_type in {"Conv", "ConvTranspose", "Gemm", "MatMul"}
            self.uses.append(
                Use(
                    node=node.name,
                    weight=weight,
                    labels=labels,
                    sign=1 if makes != divisor else -1,
                    makes=makes,
                    value=value,
                    matrix=matrix and len(info.shape) > 1,
                )
            )

    def _step(self, node: NodeInfo, rule: "Rule | None") -> None:
        self.numbers.follow(node, self.shapes)
        self._asked.clear()
        before = len(self.uses)
        try:
            found = list((rule or _stop)(self, node))
            for name, labels in zip(node.outputs, found, strict=False):
                self._check(name, labels)
        except CannotFollow as error:
            found, why = self._undone(before), str(error)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            # A rule trusts the operator's definition, and a stranger's node need not hold to it.
            found, why = self._undone(before), "has settings that do not fit what it reads"
        else:
            why = "does not commute with factors of this input"
        for name in {*node.inputs, *node.captured} - self._asked:
            self.freeze(self.labels.get(name), f"{node.op_type} {why}")
        for name in node.captured:
            self.freeze(self.labels.get(name), f"the body of {node.op_type} reads it")
        for name, given in zip(node.outputs, found, strict=False):
            if name and given is not None:
                self.labels[name] = given

    def _undone(self, before: int) -> list[Labels | None]:
        """Freeze what a rule noted before it gave up."""
        for use in self.uses[before:]:
            self.freeze(use.labels, "what it gives cannot be followed")
        del self.uses[before:]
        self._asked.clear()
        return []

    def _check(self, name: str, labels: Labels | None) -> None:
        if name and labels is not None:
            shape = self.shape(name)
            if len(shape) != labels.ndim or np.broadcast_shapes(labels.shape, shape) != shape:
                raise CannotFollow("has shapes that are not those of its definition")


def _stop(_: Scaling, __: NodeInfo) -> Sequence[Labels | None]:
    """The rule of every operator that has none."""
    raise CannotFollow("does not commute with factors")


def _shared(model: Model) -> frozenset[str]:
    """Weights that are read more than once, by bodies, or as an output or input of the model."""
    count: dict[str, int] = dict.fromkeys((*model.captured, *(p.name for p in model.outputs)), 2)
    for node in model.nodes:
        for name in node.inputs:
            count[name] = count.get(name, 0) + 1
    given = {value.name or "" for value in model.ir.graph.inputs}
    return frozenset(name for name, times in count.items() if times > 1) | given


Rule: TypeAlias = Callable[[Scaling, NodeInfo], Sequence[Labels | None]]
"""What an operator does with labels: unites, freezes, notes weights, answers those it gives."""
