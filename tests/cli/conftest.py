"""The verbs themselves are replaced; `tests/e2e` runs the real ones."""

from pathlib import Path
from typing import Any

import pytest

import lissom
from lissom import api
from lissom.measure.environment import current
from lissom.search.compose import Found, compose
from lissom.search.progress import Event
from tests.search.made import candidate, original
from tests.search.trial import Trial, trial_in


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> lissom.Result:
    trial: Trial = trial_in(tmp_path_factory.mktemp("cli"))
    found = Found(
        original=original(),
        tried=[candidate("fast", drop=0.005, speed=(2.0, 1.9, 2.1))],
        left_out=[],
        seconds=1.0,
        finished=True,
    )
    return compose(trial.job(), current(), found)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, result: lissom.Result) -> dict[str, Any]:
    """What `compress` was called with."""
    seen: dict[str, Any] = {}

    def compress(model: Path, samples: Any, **options: Any) -> lissom.Result:
        seen.update(model=model, samples=samples, **options)
        options["progress"](Event(stage="build", candidate="fast", index=1, total=1))
        return result

    monkeypatch.setattr(api, "compress", compress)
    return seen
