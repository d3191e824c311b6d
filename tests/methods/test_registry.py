"""The folder is the registry; parameters are read off the classes and refused with their range."""

from pathlib import Path

import pytest

import lissom.methods
from lissom.errors import RecipeError
from lissom.methods import registry


def test_ids_are_the_files_of_the_family_folders():
    folder = Path(lissom.methods.__file__).parent
    files = {f"{p.parent.name}.{p.stem}" for p in folder.glob("*/*.py") if p.stem != "__init__"}
    assert set(registry.ids()) == files
    assert "quantize.static" in files


def test_an_unknown_method_names_those_that_exist():
    for name in ("quantize.nothing", "os.path", "../x", "quantize.__init__"):
        with pytest.raises(RecipeError, match=r"quantize\.static"):
            registry.load(name)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("quantize.gtpq", "did you mean 'quantize.gptq'?"),
        ("gptq", "did you mean 'quantize.gptq'?"),
        ("quantize.cross_layer", "did you mean 'equalize.cross_layer'?"),
        ("Quantize.Static", "did you mean 'quantize.static'?"),
    ],
)
def test_a_misspelt_method_is_answered_with_the_one_that_was_meant(given, meant):
    with pytest.raises(RecipeError) as caught:
        registry.load(given)
    assert str(caught.value) == f"no method is called {given!r}; {meant}"


def test_values_are_shown_as_a_recipe_writes_them():
    given = [None, True, False, 1, 0.5, "mse", {"a": [1]}]
    words = ["null", "true", "false", "1", "0.5", "'mse'", "{'a': [1]}"]
    assert list(map(registry.written, given)) == words
    assert registry.written(10**5000) == "a value of too many digits"


def test_parameters_describe_every_field():
    found = {p.name: p for p in registry.parameters("quantize.static")}
    assert {"minmax", "mse", "output"} <= set(found["ranges"].choices)
    assert (found["percentile"].minimum, found["percentile"].maximum) == (50, 100)
    assert found["percentile"].allowed == "number from 50 to 100"
    assert found["asymmetric_channels"].kind == "integer or null"
    assert all(p.description and p.search for p in found.values())
    blocks = {p.name: p for p in registry.parameters("quantize.weight_only")}["block_size"]
    assert blocks.choices == (16, 32, 64, 128, 256, None)
    assert blocks.allowed == "one of 16, 32, 64, 128, 256, null"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"percentile": 101.0}, "percentile is 101.0; allowed: number from 50 to 100"),
        ({"ranges": "median"}, "ranges is 'median'; allowed: one of minmax, percentile, mse"),
        ({"percentile": "99"}, "percentile is '99'"),
        ({"rnages": "mse"}, "no parameter 'rnages'; it has: ranges, "),
        ({"rnages": "mse"}, "; did you mean 'ranges'?"),
        ({"percentile": None}, "percentile is null; allowed: "),
    ],
)
def test_wrong_parameters_are_refused_in_words(given, message):
    with pytest.raises(RecipeError) as caught:
        registry.create("quantize.static", given)
    assert message in str(caught.value)


def test_values_and_id_come_back():
    method = registry.create("quantize.static", {"ranges": "mse"})
    assert registry.id_of(method) == "quantize.static"
    assert registry.create("quantize.static", registry.values_of(method)) == method
