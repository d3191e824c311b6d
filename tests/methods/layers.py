"""Small networks whose redundant channels are known, for the tests of pruning."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from lissom.graph.channels.groups import Channels, channels
from lissom.graph.model import Model
from lissom.methods.protocol import Context, Plan
from lissom.methods.pruning import View
from lissom.methods.survey import survey
from lissom.store.store import Store
from tests.graph.edited import edited, model_of, run
from tests.methods import lab

__all__ = [
    "chain",
    "context",
    "convolutions",
    "distance",
    "found_in",
    "inputs",
    "left_of",
    "model",
    "redundant",
    "view",
]

Array = np.ndarray[Any, Any]
Layer = tuple[Array, Array | None]


def model(nodes: Sequence[tuple[Any, ...]], weights: dict[str, Array], shape: list[Any]) -> Model:
    """A model of nodes (operator, inputs, output and name, attributes) from `x` to the last."""
    made = [
        helper.make_node(op, given.split(), [out], out, **(rest[0] if rest else {}))
        for op, given, out, *rest in nodes
    ]
    graph = helper.make_graph(
        made,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(made[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), n) for n, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return model_of(helper.make_model(graph, opset_imports=opsets, ir_version=8))


def chain(*layers: Layer, form: str = "Gemm", relu: bool = True) -> Model:
    """Layers `fc0`, `fc1`, ... of weights [out, in] and biases, written as Gemm or as MatMul.

    The bias of a MatMul is an Add `fc0.sum` behind it.
    """
    nodes: list[tuple[Any, ...]] = []
    weights: dict[str, Array] = {}
    value = "x"
    for number, (weight, bias) in enumerate(layers):
        name = f"fc{number}"
        weights[f"{name}.w"] = weight if form == "Gemm" else weight.T
        given = f"{value} {name}.w"
        if bias is not None:
            weights[f"{name}.b"] = bias
        if form == "Gemm":
            given += f" {name}.b" if bias is not None else ""
            nodes.append(("Gemm", given, name, {"transB": 1}))
        else:
            nodes.append(("MatMul", given, name))
        value = name
        if form != "Gemm" and bias is not None:
            nodes.append(("Add", f"{name} {name}.b", f"{name}.sum"))
            value = f"{name}.sum"
        if relu and number < len(layers) - 1:
            nodes.append(("Relu", value, f"relu{number}"))
            value = f"relu{number}"
    return model(nodes, weights, ["n", layers[0][0].shape[1]])


def convolutions(*layers: Layer, pads: int = 1) -> Model:
    """Convolutions `conv0`, `conv1`, ... of weights [out, in, k, k] with Relu between."""
    nodes: list[tuple[Any, ...]] = []
    weights: dict[str, Array] = {}
    value = "x"
    for number, (weight, bias) in enumerate(layers):
        name = f"conv{number}"
        weights[f"{name}.w"] = weight
        given = f"{value} {name}.w"
        if bias is not None:
            weights[f"{name}.b"] = bias
            given += f" {name}.b"
        nodes.append(("Conv", given, name, {"pads": [pads] * 4}))
        value = name
        if number < len(layers) - 1:
            nodes.append(("Relu", value, f"relu{number}"))
            value = f"relu{number}"
    return model(nodes, weights, ["n", layers[0][0].shape[1], 6, 6])


def redundant(*, seed: int = 0, inputs: int = 12, true: int = 6, hidden: int = 24) -> Model:
    """As trained networks are: wide layers with few different channels, and some that are small.

    Each hidden channel is a scaled copy of one of few, with some noise.
    """
    rng = np.random.default_rng(seed)

    def copies(width: int) -> Array:
        few = rng.standard_normal((true, width)) / np.sqrt(width)
        scale = rng.uniform(0.3, 2.0, (hidden, 1))
        noise = 0.02 * rng.standard_normal((hidden, width)) / np.sqrt(width)
        return scale * few[np.arange(hidden) % true] + noise

    def shifts(size: int) -> Array:
        return 0.1 * rng.standard_normal(size)

    last = rng.standard_normal((4, hidden)) / np.sqrt(hidden)
    return chain(
        (copies(inputs), shifts(hidden)), (copies(hidden), shifts(hidden)), (last, shifts(4))
    )


def inputs(made: Model, *, count: int = 60, seed: int = 5) -> list[dict[str, Array]]:
    """Samples that fit such a model."""
    rng = np.random.default_rng(seed)
    sizes = [size for size in made.inputs[0].shape[1:] if isinstance(size, int)]
    drawn = rng.standard_normal((count, 1, *sizes)).astype(np.float32)
    return [{"x": each} for each in drawn]


def context(made: Model, store: Store, **changes: Any) -> Context:
    """With samples."""
    return lab.context(made, store, inputs(made), **changes)


def found_in(made: Model, given: Context) -> Channels:
    """The channel groups."""
    return channels(made, given.shapes_of(made))


def view(made: Model, given: Context, *, group: str = "fc0", worth: bool = False) -> View:
    """What a criterion may look at, everything included."""
    groups = found_in(made, given).groups
    assert given.calibration is not None
    seen, worths = survey(made, groups, given.calibration, given.store, worth=worth)
    (own,) = (one for one in groups if one.name == group)
    return View(
        model=made,
        group=own,
        seen=seen,
        worth=worths.get(group),
        rng=np.random.default_rng(given.seed),
    )


def left_of(made: Model, plan: Plan, store: Store, weight: str = "fc0.w") -> list[int]:
    """Which rows of a weight a plan without repair leaves."""
    before, after = made.weight(weight), edited(made, plan.edits, store).weight(weight)
    return [int(np.flatnonzero((before == row).all(axis=1))[0]) for row in after]


def distance(original: Model, other: Model, *, seed: int = 9) -> float:
    """The squared distance of the answers to new samples, as a share of their variance."""
    x = np.concatenate([feed["x"] for feed in inputs(original, count=100, seed=seed)])
    one, two = run(original, {"x": x})[0], run(other, {"x": x})[0]
    return float(((one - two) ** 2).sum() / ((one - one.mean(axis=0)) ** 2).sum())
