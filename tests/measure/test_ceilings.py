"""Ceilings: measured on the runtime, kept, and read again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lissom.errors import MeasurementError
from lissom.measure import ceilings as module
from lissom.measure.ceilings import Ceilings, ceilings
from lissom.measure.pinning import Place, Quiet
from lissom.runtime.target import Target
from lissom.store.store import Store
from tests.measure.made import CEILINGS


def test_what_the_runtime_reaches(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    found = ceilings(Target(), store)
    kinds = {(one.operator, one.numbers) for one in found.products}
    assert {("MatMul", "float32"), ("Conv", "float32")} <= kinds
    assert all(one.gflops > 0.1 for one in found.products)
    assert [one.size_bytes for one in found.moves] == sorted(one.size_bytes for one in found.moves)
    assert all(one.gb_per_second > 0.1 for one in found.moves)
    assert found.node_ms > 0
    assert Ceilings.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_others_disturbed_is_measured_again_when_the_machine_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = [False, False, True, True, True]
    answers = iter([replace(CEILINGS, quiet=False, node_ms=1.0), CEILINGS])
    busy = Place(cpus=None, waited_seconds=0.0, quiet=False)
    monkeypatch.setattr(module, "place_now", lambda _: replace(busy, quiet=idle.pop(0)))
    monkeypatch.setattr(module, "call", lambda *_, **__: next(answers).to_json())
    store = Store(tmp_path / "store")
    assert ceilings(Target(), store).node_ms == 1.0  # busy when asked, and busy just after
    assert ceilings(Target(), store) == CEILINGS
    assert ceilings(Target(), store) == CEILINGS
    assert idle == [True, True]  # what is undisturbed is not even looked at again


def test_a_run_that_goes_on_takes_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Place(cpus=None, waited_seconds=0.0, quiet=False)
    monkeypatch.setattr(module, "place_now", lambda _: busy)
    monkeypatch.setattr(module, "call", lambda *_, **__: CEILINGS.to_json())
    store = Store(tmp_path / "store")
    first = ceilings(Target(), store, kept=True)
    assert not first.quiet
    monkeypatch.setattr(module, "place_now", lambda _: replace(busy, quiet=True))
    monkeypatch.setattr(module, "call", lambda *_, **__: pytest.fail("measured again"))
    assert ceilings(Target(), store, kept=True) == first


def test_it_waits_for_whoever_is_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "call", lambda *_, **__: CEILINGS.to_json())
    patient = Quiet(first_seconds=0.0)
    found = ceilings(Target(), Store(tmp_path / "store"), quiet=patient)
    assert found.products == CEILINGS.products


def test_a_rate_for_every_product() -> None:
    assert CEILINGS.gflops("Gemm", "int8") == 800
    assert CEILINGS.gflops("ConvTranspose", "int8") == 400
    assert CEILINGS.gflops("LSTM", "float16") == 100  # no kernel of its own: float32


def test_bandwidth_between_two_sizes() -> None:
    assert CEILINGS.move_ms(10**6) == pytest.approx(0.01)
    assert CEILINGS.move_ms(10**6, 10**8) == pytest.approx(0.1)
    assert CEILINGS.move_ms(10**7) == pytest.approx(10**7 / (1e6 * 10**1.5))
    assert CEILINGS.move_ms(10**3) == pytest.approx(1e-5)  # the smallest size speaks for less
    assert CEILINGS.move_ms(0) == 0


class Unsteady:
    """Rates that rise until the third look."""

    looks = 0

    def __init__(self, *_: object) -> None:
        pass

    def products(self) -> list[module.Ceiling]:
        Unsteady.looks += 1
        rate = min(Unsteady.looks, 3) * 100.0
        return [
            module.Ceiling(operator="MatMul", numbers=numbers, gflops=speed, kernel="k")
            for numbers, speed in (("float32", rate), ("float16", 310.0))
        ]  # fmt: skip

    def movements(self) -> list[module.Movement]:
        return [module.Movement(size_bytes=8, gb_per_second=1.0)]

    def node_ms(self) -> float:
        return 0.001


def test_it_looks_again_until_nothing_rises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_Bench", Unsteady)
    monkeypatch.setattr(Unsteady, "looks", 0)
    found = Ceilings.from_json(module.probe(folder=str(tmp_path), target=Target().to_json()))
    assert Unsteady.looks == 4
    # what looked like a fast float16 was a float32 that had been disturbed
    assert [(one.numbers, one.gflops) for one in found.products] == [("float32", 300.0)]


def test_a_product_that_the_profile_does_not_name() -> None:
    with pytest.raises(MeasurementError, match="ran a MatMul as Mystery"):
        module._product({("n", "Mystery"): 1.0}, "MatMul")
