"""Recipes: the same after writing and reading, strict, harmless, and enough to rebuild."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.errors import RecipeError
from lissom.graph.save import to_bytes
from lissom.recipe import Recipe, Step, rebuild
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of
from tests.methods import lab

TEXT = """
lissom: 1
name: int8-static
seed: 3
steps:
  - method: quantize.static
    parameters: {ranges: percentile, percentile: 99.9}
    exclude: ["fc*"]
  - method: quantize.float16
"""

steps = st.builds(
    Step,
    method=st.sampled_from(["quantize.dynamic", "quantize.float16"]),
    include=st.lists(st.text(min_size=1, max_size=8), max_size=2).map(tuple),
    exclude=st.lists(st.text(min_size=1, max_size=8), max_size=2).map(tuple),
) | st.builds(
    Step,
    method=st.just("quantize.static"),
    parameters=st.fixed_dictionaries(
        {"percentile": st.floats(50, 100), "ranges": st.sampled_from(["mse", "minmax"])}
    ),
)


@given(st.lists(steps, max_size=3).map(tuple), st.integers(0, 2**40))
def test_yaml_round_trip(found, seed):
    recipe = Recipe(name="a.b-1", steps=found, seed=seed, preprocessing={"size": [3, 4]})
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_what_a_person_writes():
    recipe = Recipe.from_yaml(TEXT)
    assert (recipe.name, recipe.seed, len(recipe.steps)) == ("int8-static", 3, 2)
    assert recipe.steps[0].exclude == ("fc*",)
    assert str(recipe.steps[0]) == "quantize.static(ranges=percentile, percentile=99.9)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "mapping"),
        ("name: a", "write 'lissom: 1'"),
        ("lissom: 2", "its format is 2"),
        ("lissom: 1\nstpes: []", "stpes"),
        ("lissom: 1\nsteps: [{method: quantize.static, paramters: {}}]", "paramters"),
        ("lissom: 1\nsteps: [{method: os.system}]", "no method is called 'os.system'"),
        (
            "lissom: 1\nsteps: [{method: quantize.static, parameters: {percentile: 3.0}}]",
            "50 to 100",
        ),
        ("lissom: 1\nname: ../../etc", "name"),
        ("lissom: 1\nseed: -1", "seed"),
        ("lissom: 1\na: &x [1]\nb: *x", "aliases"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("lissom: [", "not YAML"),
        ("[" * 20_000, "nested"),
        ("{a: " * 20_000, "nested"),
        ("".join(" " * i + "a:\n" for i in range(300)), "nested"),
        ("x" * (1 << 21), "larger than"),
    ],
)
def test_what_is_no_recipe_is_refused_in_words(text, message):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text, "r.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("r.yaml: ")


def step(text: str) -> str:
    return f"lissom: 1\nsteps:\n  - {{method: quantize.static}}\n  - {text}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            step("quantize.gptq: {bits: 4}"),
            "step 2: a method is the value of 'method'; "
            "write - {method: quantize.gptq, parameters: {bits: 4}}",
        ),
        (
            step("quantize.gptq"),
            "step 2: it is 'quantize.gptq'; write - {method: quantize.gptq}",
        ),
        (step("null"), "step 2: it is null; write - {method: quantize.static}"),
        (
            step("{method: quantize.gptq, params: {bits: 4}}"),
            "step 2: no key is called 'params'; a step has: method, parameters, include, exclude; "
            "did you mean 'parameters'?",
        ),
        (
            step("{method: quantize.gptq, bits: 4}"),
            "step 2: 'bits' is a parameter; write - {method: quantize.gptq, parameters: {bits: 4}}",
        ),
        (
            step("{methd: quantize.gptq}"),
            "step 2: no key is called 'methd'; a step has: method, parameters, include, exclude; "
            "did you mean 'method'?",
        ),
        (
            step("{parameters: {bits: 4}}"),
            "step 2: method is missing; write - {method: quantize.static}",
        ),
        (
            step("{method: quantize.gptq, exclude: Gemm}"),
            "step 2: exclude is 'Gemm'; write a list: [Gemm]",
        ),
        (
            step("{method: quantize.gptq, include: '*head'}"),
            "step 2: include is '*head'; write a list: ['*head']",
        ),
        (
            step("{method: quantize.gptq, exclude: [1]}"),
            "step 2: exclude is [1]; write a list of operator types and node names: [Gemm]",
        ),
        (
            step("{method: quantize.gptq, parameters: null}"),
            "step 2: parameters is null; write a mapping by name, such as {bits: 4}",
        ),
        (
            "lissom: 1\nsteps: quantize.gptq",
            "steps is 'quantize.gptq'; write a list, each as - {method: quantize.static}",
        ),
        (
            "lissom: 1\nstpes: []",
            "no key is called 'stpes'; a recipe has: lissom, name, steps, seed, preprocessing, "
            "runtime; did you mean 'steps'?",
        ),
        ("lissom: 1\nsteps: !!set {a}", "step 1: it is 'a'; write - {method: quantize.static}"),
        ("lissom: 1\nseed: -1", "seed is -1; write a whole number, at least 0"),
        ("steps: []", "its format is not said; write 'lissom: 1'"),
    ],
)
def test_a_refusal_says_which_step_and_how_it_is_written(text, said):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text, "r.yaml")
    assert str(caught.value) == f"r.yaml: {said}"


@pytest.mark.parametrize(
    "text",
    [
        "lissom: {}",
        "lissom: 1\nseed: {}",
        step("{{method: [{}]}}"),
        step("{{{}: 1}}"),
        step("{{quantize.gptq: {{bits: {}}}}}"),
        step("{{method: quantize.gptq, exclude: {}}}"),
    ],
)
@pytest.mark.parametrize("value", ["!!int '0x" + "f" * 100_000 + "'", "'" + "a" * 100_000 + "'"])
def test_a_refusal_is_short_whatever_was_given(text, value):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text.replace("{{", "{").replace("}}", "}").replace("{}", value), "r.yaml")
    assert len(str(caught.value)) < 400


def test_a_file_that_cannot_be_read(tmp_path):
    missing = tmp_path / "missing.yaml"
    with pytest.raises(RecipeError) as caught:
        Recipe.load(missing)
    assert str(caught.value) == f"{missing} cannot be read: No such file or directory"
    (tmp_path / "r.yaml").write_text(TEXT, encoding="utf-8")
    assert Recipe.load(tmp_path / "r.yaml").name == "int8-static"
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is no text, so no recipe"):
        Recipe.load(tmp_path / "b.yaml")


@pytest.mark.parametrize("name", ["net.onnx", "NET.ONNX", "net.bin"])
@pytest.mark.parametrize("content", [b"\x08\x0a\xff" * 20, b"a" * (1 << 18)])
def test_a_model_in_the_recipes_place_is_told_apart(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match="takes the recipe first, then the model") as caught:
        Recipe.load(tmp_path / name)
    assert str(caught.value).count(name) == 1
    assert "Errno" not in str(caught.value)


def built(recipe, folder):
    model = model_of(tiny.transformer())
    return model, *rebuild(recipe, model, lab.context(model, Store(folder)))


def test_steps_apply_in_order_and_give_the_same_bytes(tmp_path):
    recipe = Recipe(
        steps=(
            Step(method="optimize.fusion", parameters={"residual": "always"}),
            Step(method="quantize.dynamic", exclude=("ffn/*",)),
            Step(method="quantize.float16"),
        )
    )
    model, first, plans = built(recipe, tmp_path / "a")
    assert [plan.method for plan in plans] == [step.method for step in recipe.steps]
    assert first.op_counts["MatMulInteger"] == 4
    assert first.op_counts["com.microsoft::Gelu"] == 1
    assert "ffn/up/MatMul" in {skip.target for skip in plans[1].skips}
    _, second, _ = built(recipe, tmp_path / "b")
    assert to_bytes(first) == to_bytes(second)
    assert first.fingerprint != model.fingerprint


def test_no_steps_give_the_original(tmp_path):
    model, result, plans = built(Recipe(), tmp_path)
    assert result is model
    assert plans == ()


def test_a_target_that_names_nothing_is_refused(tmp_path):
    recipe = Recipe(steps=(Step(method="quantize.dynamic", exclude=("decoder*",)),))
    with pytest.raises(RecipeError, match=r"step 1 \(quantize.dynamic\): .* 'decoder\*'"):
        built(recipe, tmp_path)


def test_a_recipe_made_in_python_is_checked_before_anything_runs(tmp_path):
    with pytest.raises(RecipeError, match="step 1"):
        built(Recipe(steps=(Step(method="quantize.none"),)), tmp_path)


def test_a_recipe_says_for_which_runtime_it_was_made():
    made = Recipe(name="there", steps=(), runtime="openvino")
    assert "runtime: openvino" in made.to_yaml()
    assert Recipe.from_yaml(made.to_yaml()) == made
    assert "runtime" not in Recipe(name="here", steps=()).to_yaml()
    with pytest.raises(RecipeError, match="runtime 'tvm' is not known; choose one of: onnxruntime"):
        Recipe.from_yaml("lissom: 1\nname: x\nruntime: tvm\nsteps: []")
