"""Every claim says what it is and where it comes from, and its rows are made by recipes."""

import inspect

import pytest

from bench import claims
from lissom.methods import registry


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_a_claim_says_what_and_whence(name):
    claim, source, run = claims.CLAIMS[name]
    assert " " in claim
    assert "arXiv:" in source
    assert inspect.getdoc(run)
    assert list(inspect.signature(run).parameters) == ["cache"]


def test_a_step_names_a_method():
    step = claims.step("quantize.static", granularity="tensor")
    assert registry.create(step.method, step.parameters) is not None
