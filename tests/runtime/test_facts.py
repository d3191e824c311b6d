"""Facts: JSON and back."""

import json

from lissom.runtime.facts import Facts


def test_round_trip_through_text() -> None:
    facts = Facts(
        activation="int8",
        reduce_range=True,
        integer_operators=frozenset({"MatMul", "Conv"}),
        passthrough_operators=frozenset({"Reshape"}),
        weight_only=((4, 32), (8, 16)),
        dynamic_operators=frozenset(),
        float16_compute=False,
        absorbed_operators=frozenset({"Relu"}),
        float_answers=frozenset({"Conv"}),
        asymmetric_weights=True,
        folds_weights=frozenset({"Conv"}),
        precisions=(("bf16", (("INFERENCE_PRECISION_HINT", "bf16"),)),),
        slow_fusions=("SkipLayerNormFusion",),
        notes=("seen",),
    )
    text = json.dumps(facts.to_json())
    assert Facts.from_json(json.loads(text)) == facts
    assert json.loads(text)["integer_operators"] == ["Conv", "MatMul"]
