"""Every runtime of the folder has the shape of the protocol."""

import inspect

import pytest

from lissom.runtime import registry
from lissom.runtime.protocol import Runtime


@pytest.mark.parametrize("name", registry.runtimes())
def test_every_runtime_has_the_methods_and_parameters(name: str) -> None:
    runtime = registry.load(name)
    assert runtime.name == name
    for method, wanted in inspect.getmembers(Runtime, inspect.isfunction):
        if not method.startswith("_"):
            given = inspect.signature(getattr(type(runtime), method))
            assert list(given.parameters) == list(inspect.signature(wanted).parameters)
