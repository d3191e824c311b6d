"""Changed files give one plain error or an answer. `LISSOM_FUZZ_EXAMPLES=20000` for a long run.

A long run takes fresh examples each time; the ordinary one is always the same.
"""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from lissom.errors import InputError, StoreError
from lissom.graph.load import file_facts
from lissom.measure.images import Preprocessing, decode
from lissom.store.store import Store
from tests.hostile import fuzz
from tests.hostile.case import read_model
from tests.hostile.guard import plain, snapshot
from tests.hostile.image_cases import HOW
from tests.hostile.recipe_cases import read_recipe
from tests.hostile.sample_cases import read_samples

LONG = int(os.environ.get("LISSOM_FUZZ_EXAMPLES", "0"))


def profile(share: float, few: int) -> settings:
    """So many examples by default, and a share of those of a long run."""
    return settings(
        max_examples=max(few, int(LONG * share)),
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the file is all there may be, and a folder beside it for stores."""
    for name in ("given", "aside"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "given")
    return tmp_path


def check(path: Path, aside: Path, read) -> None:
    before = snapshot(path.parent)
    try:
        read(path, aside)
    except (InputError, StoreError) as error:
        told = str(error)
        assert told
        assert plain(told), repr(told)
    assert snapshot(path.parent) == before


@profile(1.0, 150)
@given(data=fuzz.models())
def test_what_a_model_says_of_itself(place: Path, data: bytes) -> None:
    path = place / "given" / "hostile.onnx"
    path.write_bytes(data)
    check(path, place / "aside", lambda path, aside: file_facts(path))


@pytest.mark.slow
@profile(0.01, 12)
@given(data=fuzz.models())
def test_models(place: Path, data: bytes) -> None:
    path = place / "given" / "hostile.onnx"
    path.write_bytes(data)
    check(path, place / "aside", read_model)


@profile(0.2, 150)
@given(given=fuzz.samples())
def test_samples(place: Path, given: tuple[str, bytes]) -> None:
    suffix, data = given
    path = place / "given" / f"hostile{suffix}"
    path.write_bytes(data)
    check(path, place / "aside", read_samples)
    path.unlink()


@profile(0.2, 150)
@given(data=fuzz.recipes())
@example(data=b"lissom: 1\nseed: 2001-99-99")
@example(data=b"lissom: 1\nseed: " + b"9" * 5000)
def test_recipes(place: Path, data: bytes) -> None:
    path = place / "given" / "hostile.yaml"
    path.write_bytes(data)
    check(path, place / "aside", read_recipe)


@profile(0.2, 100)
@given(given=fuzz.images())
def test_images(place: Path, given: tuple[str, bytes]) -> None:
    """What a child does with them; there any other exception would be told as a failure too."""
    suffix, data = given
    path = place / "given" / f"hostile{suffix}"
    path.write_bytes(data)
    how = Preprocessing.from_json(HOW).to_json()
    check(path, place / "aside", lambda path, aside: decode([str(path)], how, str(aside)))
    path.unlink()


@profile(0.2, 100)
@given(data=fuzz.records())
def test_stores(place: Path, data: bytes) -> None:
    root = place / "given" / "store"
    root.mkdir(exist_ok=True)
    (root / "store.json").write_bytes(data)
    before = snapshot(place / "aside")
    with contextlib.suppress(StoreError):
        Store(root)
    (root / "store.json").unlink()
    store = Store(root)
    key = store.key("step", {})
    (root / "steps" / key[:2]).mkdir(exist_ok=True)
    (root / "steps" / key[:2] / f"{key}.json").write_bytes(data)
    assert store.get_json(key) is None
    assert snapshot(place / "aside") == before
