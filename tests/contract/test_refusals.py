"""Whatever a field does not allow is refused with its name, the value and what is allowed."""

import math

import pytest

from lissom.errors import RecipeError
from lissom.methods import registry
from lissom.recipe import Recipe

FIELDS = [(i, parameter) for i in registry.ids() for parameter in registry.parameters(i)]


def just_outside(parameter):
    """Values next to what is allowed, from the field's own constraints."""
    whole = parameter.kind.startswith("integer")
    found = []
    if parameter.minimum is not None:
        low = parameter.minimum
        found += [int(low) - 1] if whole else [math.nextafter(low, -math.inf), -math.inf]
    if parameter.maximum is not None:
        high = parameter.maximum
        found += [int(high) + 1] if whole else [math.nextafter(high, math.inf), math.inf]
    if parameter.kind == "number":
        found.append(math.nan)
    numbers = [c for c in parameter.choices if isinstance(c, int)]
    found += [max(numbers) + 1, min(numbers) - 1] if numbers else []
    if parameter.kind.startswith("lists of numbers"):
        found += [{"name": [-1]}, {"name": []}, {"name": 0}, {0: [0]}]
    words = [c for c in parameter.choices if isinstance(c, str)]
    found += [words[0].upper(), words[0] + " ", ""] if words else []
    return found


def of_another_kind(parameter):
    found = [[parameter.default], str(parameter.default) + "!"]
    if parameter.default != {}:
        found.append({})
    if not (None in parameter.choices or "null" in parameter.kind):
        found.append(None)
    if not parameter.choices:
        found.append(True)
    return found


@pytest.mark.parametrize(
    ("method_id", "parameter"), FIELDS, ids=[f"{i}.{parameter.name}" for i, parameter in FIELDS]
)
def test_the_message_has_the_field_the_value_and_what_is_allowed(method_id, parameter):
    # Every field must have constraints: else nothing could ever be refused.
    assert just_outside(parameter)
    for value in (*just_outside(parameter), *of_another_kind(parameter)):
        with pytest.raises(RecipeError) as caught:
            registry.create(method_id, {parameter.name: value})
        text = str(caught.value)
        shown = registry.written(value)
        assert text == f"{method_id}: {parameter.name} is {shown}; allowed: {parameter.allowed}"
        ends = [end for end in (parameter.minimum, parameter.maximum) if end is not None]
        words = [c if isinstance(c, str) else registry.written(c) for c in parameter.choices]
        for bound in (*words, *(f"{end:g}" for end in ends)):
            assert bound in text.partition("allowed: ")[2]
        assert "None" not in text.partition("allowed: ")[2]


@pytest.mark.parametrize(
    ("method_id", "parameter"), FIELDS, ids=[f"{i}.{parameter.name}" for i, parameter in FIELDS]
)
def test_the_ends_and_all_choices_are_allowed(method_id, parameter):
    ends = [end for end in (parameter.minimum, parameter.maximum) if end is not None]
    for value in (*parameter.choices, *ends):
        method = registry.create(method_id, {parameter.name: value})
        assert getattr(method, parameter.name) == value


@pytest.mark.parametrize(
    "value",
    ["2020-13-45", "!!int abc", "!!float x", "!!bool 3", "!!timestamp x", "9" * 5000, "\ud800"],
    ids=["date", "int", "float", "bool", "timestamp", "digits", "surrogate"],
)
@pytest.mark.parametrize("place", ["lissom: {}", "lissom: 1\nseed: {}", "lissom: 1\nname: {}"])
def test_a_scalar_that_breaks_the_parser_is_a_refusal_too(place, value):
    with pytest.raises(RecipeError, match=r"^r\.yaml: "):
        Recipe.from_yaml(place.format(value), "r.yaml")
