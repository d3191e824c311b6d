"""Random weights for the light models of the onnx package, which keep only the shapes of theirs.

Each weight there is a `ConstantOfShape` of a shape that is written down. It becomes an initializer
of that shape: seeded, scaled so that what flows through stays about as large as it was, and
positive where it is a vector, since it may be a variance.
"""

import numpy as np
import onnx
from onnx import numpy_helper

__all__ = ["with_weights"]

IR_VERSION = 4  # the first in which a weight need not be an input, too


def with_weights(proto: onnx.ModelProto, seed: int = 0) -> onnx.ModelProto:
    """The same graph with initializers in place of such nodes; changes what it is given."""
    rng = np.random.default_rng(seed)
    graph = proto.graph
    known = {each.name: each for each in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in known:
            kept.append(node)
            continue
        shape = numpy_helper.to_array(known[node.input[0]]).tolist()
        graph.initializer.append(numpy_helper.from_array(drawn(rng, shape), node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    inputs = [each for each in graph.input if each.name not in known]
    del graph.input[:]
    graph.input.extend(inputs)
    proto.ir_version = max(proto.ir_version, IR_VERSION)
    return proto


def drawn(rng: np.random.Generator, shape: list[int]) -> np.ndarray:
    if len(shape) < 2:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    fan = max(1, int(np.prod(shape[1:])))
    array = rng.standard_normal(shape, np.float32)
    array *= np.float32(np.sqrt(2 / fan))
    return array
