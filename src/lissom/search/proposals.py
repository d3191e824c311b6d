"""Which recipes are worth a try on a model: a small fixed set, the most promising first.

A recipe that cannot gain here is left out with a reason in words, never silently: no samples, no
operator that it treats, no kernel of the runtime that would be faster. The order makes the front
useful early; it never decides the result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lissom.graph.model import Model
from lissom.graph.site import sites
from lissom.methods.scope import Scope
from lissom.recipe import Recipe, Step
from lissom.runtime.facts import Facts
from lissom.search.limits import Goal
from lissom.search.places import Place
from lissom.search.result import NotTried

__all__ = ["FUSABLE", "Proposal", "Proposals", "proposals"]

FUSABLE: Final = frozenset({"Erf", "LayerNormalization"})
"""Operators that begin or end one of our own fusions."""
RUNTIME_FUSABLE: Final = FUSABLE | {"Tanh", "ReduceMean", "Softmax", "Gelu"}
"""Operators that occur in what a runtime's offline fusions look for."""
BLOCK_SIZE: Final = 32
WIDE: Final = 64
"""Input channels from which some processors multiply asymmetric convolution weights faster."""
PRUNED: Final = (0.3, 0.5, 0.65)
"""Shares of the time, or of the weights, that pruning is tried with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A recipe to try.

    Attributes:
        title: one line for people.
        recipe: its steps.
        place: where it runs; None for the run's first place.
    """

    title: str
    recipe: Recipe
    place: Place | None = None

    @property
    def name(self) -> str:
        """The candidate's: the recipe's, and where it runs if that is not the first place."""
        label = "" if self.place is None else self.place.label
        return f"{self.recipe.name}@{label}" if label else self.recipe.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """What to try, in this order, and what not, with reasons."""

    tried: tuple[Proposal, ...]
    left_out: tuple[NotTried, ...]


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
    steps: tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...]
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
    """

    operators: frozenset[str]
    weighted: frozenset[str]
    facts: Facts
    data: bool
    depthwise: bool
    wide: bool

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
            return "in the runtime weights with zero points end the integer kernel"
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
        if (bits, BLOCK_SIZE) not in self.facts.weight_only:
            return f"the runtime cannot multiply weights packed in {bits} bits"
        return ""


def proposals(
    model: Model, facts: Facts, *, data: bool, goal: Goal, scope: Scope, seed: int = 0
) -> Proposals:
    """Answer the recipes worth a try, the most promising for the goal first.

    Args:
        model: the canonical model.
        facts: what the runtime is good at here.
        data: whether there are samples.
        goal: orders the answer.
        scope: nodes that every step may touch.
        seed: of every random choice.
    """
    weighted = sites(model)
    view = View(
        operators=frozenset(node.op_type for node in model.nodes),
        weighted=frozenset(site.op_type for site in weighted),
        facts=facts,
        data=data,
        wide=any(
            s.op_type == "Conv" and s.groups == 1 and s.shape[s.in_axis] >= WIDE for s in weighted
        ),
        depthwise=any(s.groups > 1 and s.shape[s.in_axis] == 1 for s in weighted),
    )
    drafts = [
        *fusions(view, whole=scope == Scope()),
        *integers(view),
        *weights(view, goal),
        *narrower(view, goal),
    ]
    if model.already_quantized:
        reason = "the model is already quantized; it is returned unchanged"
        return Proposals(
            tried=(), left_out=tuple(NotTried(name=d.name, reason=reason) for d in drafts)
        )
    drafts.sort(key=lambda draft: draft.rank.get(goal, 50))
    return Proposals(
        tried=tuple(
            Proposal(title=draft.title, recipe=finished(draft, view, scope, seed))
            for draft in drafts
            if not draft.refusal
        ),
        left_out=tuple(
            NotTried(name=draft.name, reason=draft.refusal) for draft in drafts if draft.refusal
        ),
    )


def fusions(view: View, *, whole: bool) -> Iterator[Draft]:
    """Recipes that keep the function as it is; `whole` if every node may be touched."""
    nothing = "there is nothing to fuse that loading does not"
    yield Draft(
        name="fused",
        title="several nodes in one, same function",
        steps=(("optimize.fusion", {}, ()),),
        refusal="" if view.operators & FUSABLE else nothing,
        rank={"speed": 0, "size": 60, "memory": 10, "quality": 0},
    )
    whole_only = "" if whole else "the runtime fuses whole models, not parts of them"
    yield Draft(
        name="runtime-fused",
        title="the runtime's own offline fusions, same function",
        steps=(("optimize.runtime_fusion", {}, ()),),
        refusal=whole_only if view.operators & RUNTIME_FUSABLE else nothing,
        rank={"speed": 25, "size": 61, "memory": 11, "quality": 1},
    )


def integers(view: View) -> Iterator[Draft]:
    """Recipes whose arithmetic is on integers."""
    static, dynamic = view.no_static(), view.no_dynamic()
    before = fused_before(view)
    early = 10 if view.convolutions or dynamic else 20
    for place, (ranges, words) in enumerate(
        (("mse", "least squared error"), ("minmax", "full"), ("percentile", "99.99 percentile"))
    ):
        yield Draft(
            name=f"static-{ranges}",
            title=f"8-bit integers, ranges fixed beforehand ({words})",
            steps=(*before, ("quantize.static", {"ranges": ranges}, ())),
            refusal=static,
            rank={"speed": early + place, "size": 20 + place, "memory": 20 + place, "quality": 30},
        )
    yield Draft(
        name="static-heavy",
        title="8-bit integers in convolutions and matrix products only",
        steps=(*before, ("quantize.static", {"ranges": "mse", "operators": "heavy"}, ())),
        refusal=static,
        rank={"speed": early + 4, "size": 24, "memory": 24, "quality": 25},
    )
    yield Draft(
        name="static-asymmetric",
        title="8-bit integers, weights of wide convolutions with zero points",
        steps=(*before, ("quantize.static", {"ranges": "mse", "asymmetric_channels": WIDE}, ())),
        refusal=static or view.no_asymmetric(),
        rank={"speed": early - 1, "size": 27, "memory": 27, "quality": 29},
    )
    narrow = static or ("" if view.depthwise else "there are no depthwise convolutions")
    yield Draft(
        name="static-wide",
        title="8-bit integers but in depthwise convolutions",
        steps=(*before, ("quantize.static", {"ranges": "percentile", "depthwise": "float"}, ())),
        refusal=narrow,
        rank={"speed": early + 5, "size": 23, "memory": 23, "quality": 24},
    )
    yield Draft(
        name="dynamic",
        title="8-bit integers in matrix products, ranges at run time",
        steps=(*before, ("quantize.dynamic", {}, ())),
        refusal=dynamic,
        rank={"speed": 15, "size": 25, "memory": 25, "quality": 20},
    )
    mixed = static or dynamic or ("" if view.convolutions else "there are no convolutions to add")
    yield Draft(
        name="static-conv-dynamic",
        title="convolutions with fixed ranges, matrix products with ranges at run time",
        steps=(
            *before,
            ("quantize.static", {"ranges": "mse"}, view.matrices),
            ("quantize.dynamic", {}, ()),
        ),
        refusal=mixed,
        rank={"speed": 16, "size": 26, "memory": 26, "quality": 26},
    )


def weights(view: View, goal: Goal) -> Iterator[Draft]:
    """Recipes that narrow what is stored and leave the arithmetic in float."""
    none = "" if view.weighted else "no operator of the main graph has constant weights"
    large = "" if goal == "size" else "it makes nothing but the file smaller, and takes long"
    unseen = "" if view.data else "tables are fitted on samples (--data), and none were given"
    yield Draft(
        name="weights-codebook4",
        title="weights stored as 4-bit numbers of a learned table, expanded to float before use",
        steps=(("quantize.codebook", {}, ()),),
        refusal=none or large or unseen,
        rank={"size": 3},
    )
    yield Draft(
        name="weights-int8",
        title="weights stored in 8 bits, expanded to float before use",
        steps=(("quantize.weight_only", {"bits": 8}, ()),),
        refusal=none,
        rank={"speed": 40, "size": 5, "memory": 12, "quality": 10},
    )
    for bits in (8, 4):
        yield Draft(
            name=f"weights-int{bits}-packed",
            title=f"matrices in {bits} bits, multiplied packed",
            steps=(("quantize.weight_only", packed(bits), ()),),
            refusal=view.no_packed(bits),
            rank={"speed": 34 - bits // 2, "size": bits // 4, "memory": bits // 4, "quality": 24},
        )
    yield Draft(
        name="float16",
        title="weights stored in 16 bits, expanded to float before use",
        steps=(("quantize.float16", {}, ()),),
        refusal=none,
        rank={"speed": 41, "size": 10, "memory": 13, "quality": 5},
    )
    slow = "" if view.facts.float16_compute else "the runtime does not compute faster in float16"
    yield Draft(
        name="float16-compute",
        title="arithmetic in 16-bit floating point",
        steps=(("quantize.float16", {"compute": "float16"}, ()),),
        refusal=none or slow,
        rank={"speed": 18, "size": 11, "memory": 9, "quality": 6},
    )


def narrower(view: View, goal: Goal) -> Iterator[Draft]:
    """Recipes that remove channels and fit what is left anew, alone and before quantization."""
    saved, what = "latency", "time"
    if goal in {"size", "memory"}:
        saved, what = "size", "weights"
    elif "Conv" not in view.weighted:  # the time of matrix products follows their arithmetic
        saved, what = "macs", "arithmetic"
    refusal = "" if view.data else "what is left is fitted on samples (--data), and none were given"
    if not view.weighted & {"Conv", "Gemm", "MatMul"}:
        refusal = "no operator of the main graph has channels that could leave"
    whole = "" if view.convolutions else "no convolution has an integer kernel in the runtime"
    few = view.no_dynamic() or ("convolutions would stay float" if view.convolutions else "")
    after: tuple[tuple[str, str, str, tuple[str, Mapping[str, Any], tuple[str, ...]]], ...] = (
        ("static", "8-bit integers with fixed ranges", view.no_static() or whole,
         ("quantize.static", _after_pruning(view), ())),
        ("dynamic", "8-bit integers in matrix products", few, ("quantize.dynamic", {}, ())),
    )  # fmt: skip
    for place, ratio in enumerate(PRUNED):
        percent = round(100 * ratio)
        prune = ("prune.obs", {"ratio": ratio, "goal": saved}, ())
        yield Draft(
            name=f"pruned-{percent}",
            title=f"channels worth {percent}% of the {what} removed, the rest fitted anew",
            steps=(prune,),
            refusal=refusal,
            rank={"speed": 30 + 2 * place, "size": 40 + place, "memory": 40 + place, "quality": 40},
        )
        for name, words, none, step in after:
            yield Draft(
                name=f"pruned-{percent}-{name}",
                title=f"{percent}% of the {what} removed, then {words}, means put back",
                steps=(prune, *fused_before(view), step, ("quantize.bias_correction", {}, ())),
                refusal=refusal or none,
                rank={"speed": 31 + 2 * place, "size": 15, "memory": 15, "quality": 41},
            )


def _after_pruning(view: View) -> dict[str, Any]:
    """Static quantization as it is fastest here."""
    found: dict[str, Any] = {"ranges": "percentile" if view.depthwise else "mse"}
    if view.depthwise:
        found["depthwise"] = "float"
    elif not view.no_asymmetric():
        found["asymmetric_channels"] = WIDE
    return found


def packed(bits: int) -> dict[str, Any]:
    """Parameters for weights that the runtime multiplies as they are stored."""
    return {
        "bits": bits,
        "block_size": BLOCK_SIZE,
        "kernel": "matmul_nbits",
        "accuracy_level": 0,
    }


def fused_before(view: View) -> tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...]:
    """The step that shortens what stays float between integer kernels, where there is any."""
    return (("optimize.fusion", {}, ()),) if view.operators & FUSABLE else ()


def finished(draft: Draft, view: View, scope: Scope, seed: int) -> Recipe:
    """Make a draft a recipe, its steps held to the scope."""
    return Recipe(
        name=draft.name,
        seed=seed,
        steps=tuple(
            Step(
                method=method,
                parameters=dict(parameters),
                include=scope.include,
                exclude=(*scope.exclude, *(op for op in left_out if op in view.operators)),
            )
            for method, parameters, left_out in draft.steps
        ),
    )
