"""Let an earlier value stand where a later one is read, and drop what nobody needs any more."""

from __future__ import annotations

import onnx_ir as ir

from lissom.errors import BrokenPromise, MethodError
from lissom.graph.describe import shape_of, type_name
from lissom.graph.edit import BypassNodes, describe
from lissom.graph.perform_draft import Draft

__all__ = ["bypass_nodes"]


def bypass_nodes(draft: Draft, edit: BypassNodes) -> None:
    """Read the edit's input wherever its output was read.

    Its output's name means the input from then on, so that bypasses that follow one another can be
    said in any order. An output of the model keeps its name: an Identity gives it.

    Raises:
        BrokenPromise: a value does not exist, no node gives the output, or the input is computed
            after the output or from it.
        MethodError: the two differ in type or shape.
    """
    why = describe(edit)
    source, output = draft.value(edit.input, why), draft.value(edit.output, why)
    last = output.producer()
    if last is None:
        raise BrokenPromise(f"{why}: no node gives {edit.output!r}")
    _check_order(draft, source, last, edit, why)
    _check_alike(source, output, why)
    if source.shape is None:
        source.shape = output.shape
    stands_in = source
    if output.is_graph_output():
        stands_in = draft.output(edit.output, output.dtype, output)
        node = draft.make("Identity", f"{last.name}/Identity", [source], [stands_in])
        draft.add_before(last, node)
    output.replace_all_uses_with(stands_in, replace_graph_outputs=True)
    draft.rename(output, f"{edit.output}_before")
    if stands_in is not source:
        stands_in.name = edit.output
    draft.values[edit.output] = stands_in
    draft.prune(last)


def _check_order(
    draft: Draft, source: ir.Value, last: ir.Node, edit: BypassNodes, why: str
) -> None:
    """What is computed earlier in the graph's order cannot depend on what comes later."""
    first = source.producer()
    if first is None:
        return
    place = {node: number for number, node in enumerate(draft.ir.graph)}
    if place[first] >= place[last]:
        raise BrokenPromise(
            f"{why}: {edit.input!r} is computed after {edit.output!r}, or from it, and cannot "
            "stand in for it"
        )


def _check_alike(source: ir.Value, output: ir.Value, why: str) -> None:
    """Refuse values that cannot be of one type and shape in every run."""
    kinds = [None if value.type is None else type_name(value.type) for value in (source, output)]
    if None not in kinds and kinds[0] != kinds[1]:
        raise MethodError(f"{why}: it is {kinds[0]}, not {kinds[1]}")
    if source.shape is None or output.shape is None:
        return
    one, other = shape_of(source.shape), shape_of(output.shape)
    if len(one) != len(other) or not all(map(_may_equal, one, other)):
        raise MethodError(f"{why}: its shape is {list(one)}, not {list(other)}")


def _may_equal(one: int | str | None, other: int | str | None) -> bool:
    """A fixed size cannot stand for one with a name: that one changes from run to run."""
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return one is None or other is None or isinstance(one, str) == isinstance(other, str)
