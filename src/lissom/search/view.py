"""What proposals look at in a model and a runtime, and recipes before it is known whether they fit.

Each reason why a recipe is left out is a sentence here, said in one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.runtime.facts import Facts
from lissom.search.limits import Goal

__all__ = ["FUSABLE", "WIDE", "Draft", "DraftStep", "View"]

FUSABLE: Final = frozenset({"Erf", "LayerNormalization"})
"""Operators that begin or end one of our own fusions."""
WIDE: Final = 64
"""Input channels from which some processors multiply asymmetric convolution weights faster."""

DraftStep: TypeAlias = tuple[str, Mapping[str, Any], tuple[str, ...]]
"""A method, its parameters, and the operators that it leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A recipe before it is known whether it fits.

    Attributes:
        name: the candidate's.
        title: one line for people.
        steps: methods with parameters and the operators that each leaves out.
        refusal: why it is left out; empty if it is not.
        rank: by goal; lower comes first.
    """

    name: str
    title: str
    steps: tuple[DraftStep, ...]
    refusal: str
    rank: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the drafts look at.

    Attributes:
        operators: the types of the main graph's nodes.
        weighted: the types of those with constant weights.
        facts: of the runtime.
        data: whether there are samples.
        depthwise: whether there are convolutions in which each channel stands alone.
        wide: whether there are convolutions with many input channels in one group.
        goal: what the run is for.
    """

    operators: frozenset[str]
    weighted: frozenset[str]
    facts: Facts
    data: bool
    depthwise: bool
    wide: bool
    goal: Goal

    @classmethod
    def of(cls, model: Model, facts: Facts, *, data: bool, goal: Goal) -> "View":
        """Look at a model."""
        weighted = sites(model)
        return cls(
            operators=frozenset(node.op_type for node in model.nodes),
            weighted=frozenset(site.op_type for site in weighted),
            facts=facts,
            data=data,
            depthwise=any(s.groups > 1 and s.shape[s.in_axis] == 1 for s in weighted),
            wide=any(
                s.op_type == "Conv" and s.groups == 1 and s.shape[s.in_axis] >= WIDE
                for s in weighted
            ),
            goal=goal,
        )

    @property
    def convolutions(self) -> bool:
        """There are weighted convolutions with an integer kernel."""
        return bool(self.weighted & self.facts.integer_operators & {"Conv"})

    @property
    def matrices(self) -> tuple[str, ...]:
        """The kinds of weighted matrix products that are there."""
        return tuple(sorted(self.weighted & {"MatMul", "Gemm"}))

    def no_static(self) -> str:
        """Why static quantization is left out; empty if it is not."""
        if not self.data:
            return "static ranges need samples (--data), and none were given"
        if not self.weighted & self.facts.integer_operators:
            return "no weighted operator of the model has an integer kernel in the runtime"
        return ""

    def no_asymmetric(self) -> str:
        """Why weights with zero points are left out; empty if they are not."""
        if not self.wide:
            return f"no convolution has {WIDE} input channels"
        if not self.facts.asymmetric_weights:
            return "zero points in the weights make no convolution faster here"
        return ""

    def no_dynamic(self) -> str:
        """Why dynamic quantization is left out; empty if it is not."""
        treated = self.weighted & {"MatMul", "Gemm", "LSTM"}
        if not treated:
            return "the model has no matrix product with constant weights"
        if not treated & self.facts.dynamic_operators:
            return "the runtime has no dynamic integer kernel that is faster than float here"
        return ""

    def no_packed(self, bits: int) -> str:
        """Why weights multiplied packed are left out; empty if they are not."""
        if not self.matrices:
            return "the model has no matrix product with constant weights"
        if self.block_size(bits) is None:
            return f"the runtime cannot multiply weights packed in {bits} bits"
        return ""

    def block_size(self, bits: int) -> int | None:
        """Of weights multiplied packed: what pays best in the runtime; None where none runs."""
        sizes = (block for width, block in self.facts.weight_only if width == bits)
        return next(sizes, None)

    def no_smoothed(self) -> str:
        """Why scales are not moved from activations into weights; empty if they are."""
        if "LayerNormalization" not in self.operators:
            return "outliers of activations grow behind layer normalizations, and there are none"
        return "" if self.matrices else "the model has no matrix product with constant weights"

    def no_stored(self) -> str:
        """Why weights fitted on samples that only make the file smaller are left out."""
        if not self.weighted:
            return "no operator of the main graph has constant weights"
        if self.goal != "size":
            return "it makes nothing but the file smaller, and takes long"
        return "" if self.data else "weights are fitted on samples (--data), and none were given"

    def no_pruned(self) -> str:
        """Why channels are not removed; empty if they are."""
        if not self.weighted & {"Conv", "Gemm", "MatMul"}:
            return "no operator of the main graph has channels that could leave"
        return (
            "" if self.data else "what is left is fitted on samples (--data), and none were given"
        )
