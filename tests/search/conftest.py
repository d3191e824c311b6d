"""One store and one tiny model for all tests of the search: what one measured, others remember."""

from collections.abc import Iterator

import pytest

from lissom.measure import pinning
from lissom.search import assess, run
from lissom.search.mixed import Mixing
from tests.search.trial import Trial, trial_in


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return trial_in(tmp_path_factory.mktemp("trial"))


@pytest.fixture(autouse=True, scope="session")
def brief() -> Iterator[None]:
    """Time for a moment only, and wait for nobody: these tests look at what is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assess, "SECONDS", 0.05)
        patch.setattr(assess, "ATTEMPTS", 1)
        for each in (pinning, run):
            patch.setattr(each, "FIRST_SECONDS", 0.0)
        yield


@pytest.fixture
def unmixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is mixed: that is measured, and has tests of its own."""
    monkeypatch.setattr(Mixing, "rounds", lambda _: iter(()))
