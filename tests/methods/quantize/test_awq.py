"""AWQ as a method: a channel that stands out is kept, and the rest is as it was."""

import numpy as np
import pytest
from pydantic import ValidationError

from lissom.graph.edit import EncodeWeight, ReplaceWeight
from lissom.methods.quantize.awq import Awq
from lissom.methods.quantize.hqq import Hqq
from lissom.store.store import Store
from tests.graph.edited import edited
from tests.methods import layers


def test_the_papers_claim(tmp_path) -> None:
    """One channel of the activations is large: without scaling its weights lose most."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((32, 8)) / 3, rng.standard_normal((16, 32)) / 6
    first[5] *= 40.0
    model = layers.chain((first, rng.standard_normal(32)), (second, rng.standard_normal(16)))
    context = layers.context(model, Store(tmp_path))
    plan = Awq().plan(model, context)
    assert len({e.weight for e in plan.edits if isinstance(e, ReplaceWeight)}) == 2
    assert {e.weight for e in plan.edits if isinstance(e, EncodeWeight)} == {"fc0.w", "fc1.w"}
    plain = Hqq().plan(model, context)
    distances = [
        layers.distance(model, edited(model, one.edits, context.store)) for one in (plan, plain)
    ]
    assert distances[0] < 0.7 * distances[1]


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(ValidationError):
        Awq(bits=1)
