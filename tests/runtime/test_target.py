"""Targets: validated, sorted, JSON and back."""

import json

import pytest

from lissom.errors import OptionError
from lissom.runtime.target import Target


def test_round_trip_and_order_of_options() -> None:
    target = Target(options=(("b", "1"), ("a", "x")), threads=2, batch=4)
    assert target.options == (("a", "x"), ("b", "1"))
    assert target == Target(options=(("a", "x"), ("b", "1")), threads=2, batch=4)
    assert Target.from_json(json.loads(json.dumps(target.to_json()))) == target


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"batch": -1}])
def test_counts_start_at_one(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        Target(**wrong)


def test_an_option_is_given_once() -> None:
    with pytest.raises(OptionError, match="twice: a"):
        Target(options=(("a", "1"), ("a", "2")))
