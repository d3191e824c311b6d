import pytest

from lissom.measure.environment import current
from lissom.search.compose import Found, compose
from tests.search.made import candidate, original
from tests.search.trial import Trial


def test_candidates_are_found_by_name(trial: Trial) -> None:
    fast = candidate("fast", speed=(2.0, 1.9, 2.1))
    found = Found(original=original(), tried=[fast], left_out=[], seconds=0.0, finished=False)
    result = compose(trial.job(), current(), found)
    assert result.candidate("fast") == fast
    assert result.candidate("original") == original()
    assert result.chosen == fast
    with pytest.raises(KeyError, match="absent"):
        result.candidate("absent")
