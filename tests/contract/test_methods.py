"""Every method keeps the same contract; a new one is covered the day its file exists."""

import inspect
import json
import typing
from dataclasses import replace

import numpy as np
import pytest

from lissom.errors import BrokenPromise, MethodError, RecipeError
from lissom.methods import registry
from lissom.methods.protocol import Need
from lissom.methods.runner import apply
from lissom.recipe import Recipe, Step
from lissom.store.store import Store
from tests import tiny
from tests.graph.edited import model_of, run
from tests.methods import lab

IDS = registry.ids()
MODELS = {"cnn": tiny.cnn, "transformer": tiny.transformer}
COARSE = 0.4  # what 4 bits of a few random weights may cost


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every method on every model, once: the context, the outcome, and the feeds."""
    found = {}
    store = Store(tmp_path_factory.mktemp("store"))
    for name, make in MODELS.items():
        proto = make()
        model = model_of(proto)
        feeds = [tiny.feeds(proto, batch=2, seed=seed) for seed in range(4)]
        context = lab.context(model, store, feeds, facts={"slow_fusions": ("SkipLayerNormFusion",)})
        for method_id in IDS:
            outcome = apply(registry.create(method_id, {}), model, context)
            found[method_id, name] = context, outcome, feeds
    return found


@pytest.mark.parametrize("method_id", IDS)
def test_it_is_a_final_frozen_keyword_only_dataclass(method_id):
    kind = registry.load(method_id)
    assert getattr(kind, "__final__", False)
    assert kind.__dataclass_params__.frozen
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(kind).parameters.values())
    assert len(inspect.signature(kind).parameters) <= 8
    assert hash(kind()) == hash(kind())
    assert kind() == registry.create(method_id, {})


@pytest.mark.parametrize("method_id", IDS)
def test_needs_are_declared(method_id):
    kind = registry.load(method_id)
    assert isinstance(kind.needs, frozenset)
    assert all(isinstance(need, Need) for need in kind.needs)
    assert typing.get_origin(inspect.get_annotations(kind)["needs"]) is typing.ClassVar


@pytest.mark.parametrize("method_id", IDS)
def test_its_docs_page_has_the_fixed_lines(method_id):
    page = inspect.getdoc(inspect.getmodule(registry.load(method_id))) or ""
    first, *rest = page.split("\n\n")
    assert first.endswith(".")
    assert "\n" not in first
    places = [page.find(word) for word in ("Source:", "Differs:", "Needs:", "Cost:", "Choose it")]
    assert all(place > 0 for place in places), page
    assert places == sorted(places)
    assert rest


@pytest.mark.parametrize("method_id", IDS)
def test_every_parameter_says_what_it_is_and_refuses_what_is_outside(method_id):
    for parameter in registry.parameters(method_id):
        assert " " in parameter.description, parameter.name
        for value in (parameter.default, *parameter.search):
            registry.create(method_id, {parameter.name: value})
        outside = [object(), [], "surely no value"]
        if parameter.minimum is not None:
            outside.append(type(parameter.minimum)(parameter.minimum - 1))
        if parameter.maximum is not None:
            outside.append(type(parameter.maximum)(parameter.maximum + 1))
        for value in outside:
            with pytest.raises(RecipeError, match=parameter.name):
                registry.create(method_id, {parameter.name: value})


@pytest.mark.parametrize("method_id", IDS)
def test_unknown_parameters_are_refused(method_id):
    with pytest.raises(RecipeError, match="no parameter 'unheard_of'"):
        registry.create(method_id, {"unheard_of": 1})


@pytest.mark.parametrize("method_id", IDS)
def test_it_goes_through_a_recipe(method_id):
    for parameter in (None, *registry.parameters(method_id)):
        values = [None] if parameter is None else parameter.search
        for value in values:
            given = {} if parameter is None else {parameter.name: value}
            step = Step(method=method_id, parameters=given)
            recipe = Recipe(name="r", steps=(step,))
            (read,) = Recipe.from_yaml(recipe.to_yaml()).steps
            method = registry.create(method_id, given)
            assert registry.create(read.method, read.parameters) == method
            assert registry.create(method_id, registry.values_of(method)) == method


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method_id", IDS)
def test_its_result_runs_and_is_near_the_original(method_id, model, outcomes):
    # The runner has checked ports, weights, the input model, and that the runtime loads it.
    context, outcome, feeds = outcomes[method_id, model]
    # Half of the channels of a random network are no redundancy: nearer than zeros, no more.
    most = 1.0 if method_id.startswith("prune.") else 0.1
    few = (getattr(registry.create(method_id, {}), "bits", 8) or 4) <= 4
    most = COARSE if few else most
    for feed in feeds:
        old, new = run(context.original, feed)[0], run(outcome.model, feed)[0]
        assert new.shape == old.shape
        assert np.linalg.norm(new - old) < most * np.linalg.norm(old)


CUTTING = [i for i in IDS if "allocation" in {each.name for each in registry.parameters(i)}]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method_id", CUTTING)
def test_what_is_pruned_is_smaller(method_id, model, outcomes):
    context, outcome, _ = outcomes[method_id, model]
    assert outcome.model.parameters < 0.9 * context.original.parameters


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method_id", IDS)
def test_the_same_question_gives_the_same_plan(method_id, model, outcomes):
    context, outcome, _ = outcomes[method_id, model]
    again = registry.create(method_id, {}).plan(context.original, context)
    assert json.dumps(again.to_json()) == json.dumps(outcome.plan.to_json())
    assert again.summary


@pytest.mark.parametrize("method_id", IDS)
def test_it_asks_for_nothing_that_it_did_not_declare(method_id, outcomes):
    context, outcome, _ = outcomes[method_id, "transformer"]
    asked = set()

    def listening(model, needs):
        asked.update(needs)
        return context.observe(model, needs)

    method = registry.create(method_id, {})
    method.plan(context.original, replace(context, observe=listening))
    assert asked <= method.needs
    if Need.ROWS in method.needs:
        with pytest.raises(MethodError, match=r"samples are needed|undeclared"):
            method.plan(context.original, context.restricted(method_id, frozenset()))
    elif method.needs and outcome.plan.edits:
        assert asked == method.needs
        with pytest.raises(BrokenPromise, match="undeclared"):
            method.plan(context.original, context.restricted(method_id, frozenset()))


@pytest.mark.parametrize("method_id", IDS)
def test_everything_excluded_means_no_edits_and_reasons(method_id, outcomes):
    context, outcome, _ = outcomes[method_id, "transformer"]
    scope = replace(context.scope, exclude=("*",))
    plan = registry.create(method_id, {}).plan(context.original, replace(context, scope=scope))
    assert plan.edits == ()
    assert len(plan.skips) > 0 or not outcome.plan.edits
    assert all(skip.reason and not skip.reason.endswith(".") for skip in plan.skips)


@pytest.mark.parametrize("method_id", [i for i in IDS if not i.startswith("optimize.")])
def test_a_quantized_model_comes_back_with_the_reason(method_id, outcomes):
    context, outcome, _ = outcomes["quantize.static", "cnn"]
    quantized = replace(context, original=outcome.model)
    again = apply(registry.create(method_id, {}), outcome.model, quantized)
    assert again.model is outcome.model
    assert "already quantized" in again.plan.skips[0].reason
