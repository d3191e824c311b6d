"""How large a model becomes when the calls of its local functions are replaced by their bodies.

Thirty functions of two calls each are a file of a kilobyte and a graph of a billion nodes.
"""

from collections.abc import Mapping

from lissom.errors import ModelError

__all__ = ["MAIN", "called", "expanded_nodes"]

MAIN = ""
"""The name under which the main graph's calls stand."""

_DEEPEST = 100  # onnx's own checker goes no further


def called(name: str, domain: str, overload: str) -> str:
    """One name for an operator or a function, as nodes call it."""
    return f"{'' if domain == 'ai.onnx' else domain}|{name}|{overload}"


def expanded_nodes(calls: Mapping[str, Mapping[str, int]], where: str = "the model") -> int:
    """Count the nodes of the main graph after inlining.

    Args:
        calls: by function, how often it calls each operator; `MAIN` is the main graph.
        where: what the message calls the model.

    Raises:
        ModelError: Functions call one another in a circle, or too deep.
    """
    known: dict[str, int] = {}

    def count(name: str, depth: int) -> int:
        if name not in calls:
            return 1
        if depth > _DEEPEST:
            raise ModelError(f"{where}: functions call one another deeper than {_DEEPEST} levels")
        if name not in known:
            inner = calls[name].items()
            known[name] = sum(times * count(one, depth + 1) for one, times in inner)
        return known[name]

    return count(MAIN, 0)
