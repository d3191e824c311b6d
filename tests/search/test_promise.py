"""Promises, from profiles and ceilings with round numbers."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lissom.graph.cost import Work
from lissom.measure.kernels import CONVOLUTION, ELEMENTWISE, MATRIX
from lissom.measure.profile import NodeTime
from lissom.search import promise as module
from lissom.search.arithmetic import Arithmetic, Left, Product
from lissom.search.promise import Basis, Promise, Terms, joined, scaled
from tests.measure.made import CEILINGS
from tests.search.made import candidate
from tests.search.trial import Trial

WORK = {
    "conv": Work(macs=10**8, weight_bytes=4 * 10**5, activation_bytes=10**6),
    "fc": Work(macs=10**6, weight_bytes=4 * 10**6, activation_bytes=10**4),
    "relu": Work(macs=0, weight_bytes=0, activation_bytes=10**6),
}


class Known(Basis):
    """A basis whose numbers are given."""

    @property
    def work(self) -> Mapping[str, Work]:  # type: ignore[override]
        return WORK

    @property
    def kinds(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"conv": "Conv", "fc": "Gemm", "relu": "Relu"}


def time(name: str, op_type: str, ms: float) -> NodeTime:
    return NodeTime(node=name, op_type=op_type, milliseconds=ms, share=0.1, stands_for=name)


def terms(trial: Trial, arithmetic: Arithmetic) -> Terms:
    return Terms(
        basis=Known(opened=trial.job().opened),
        before=CEILINGS,
        after=CEILINGS,
        arithmetic=arithmetic,
        held_bytes=(10**6, 10**6),
    )


def test_a_product_on_integers_gains_the_ratio_of_the_ceilings(trial: Trial) -> None:
    changed = Arithmetic(products={"conv": Product(numbers="int8", weight_bytes=10**5)})
    part = terms(trial, changed).part(time("conv", "Conv", 3.0))
    assert part.family == CONVOLUTION
    assert part.promised_ms == pytest.approx(3.0 * 100 / 400)
    assert part.integer
    assert not part.expanded
    assert part.roof is not None
    assert part.roof.compute_ms == pytest.approx(2 * 10**8 / 400e6)


def test_fewer_bytes_help_a_product_that_waits_for_them(trial: Trial) -> None:
    stored = {
        "fc": Product(numbers="float32", weight_bytes=10**6, expanded=True),
        "conv": Product(numbers="float32", weight_bytes=10**5, expanded=True),
    }
    changed = terms(trial, Arithmetic(products=stored))
    waiting = changed.part(time("fc", "Gemm", 0.1))
    assert waiting.family == MATRIX
    # 0.04 ms of weights before; a quarter of that is hidden behind 0.02 ms of arithmetic
    assert waiting.promised_ms == pytest.approx(0.1 * 0.02 / 0.04, rel=0.01)
    assert waiting.expanded
    busy = changed.part(time("conv", "Conv", 3.0))
    assert busy.promised_ms == pytest.approx(3.0)


def test_products_of_fewer_channels_take_less(trial: Trial) -> None:
    pruned = Arithmetic(
        products={
            "conv": Product(numbers="float32", weight_bytes=10**5),
            "fc": Product(numbers="int8", weight_bytes=2 * 10**6),
        },
        left={
            "conv": Left(macs=0.25, values=0.5),
            "fc": Left(macs=0.5),
            "relu": Left(values=0.5),
        },
    )
    changed = terms(trial, pruned)
    busy = changed.part(time("conv", "Conv", 3.0))
    assert busy.promised_ms == pytest.approx(3.0 / 4)  # limited by its arithmetic
    assert busy.macs == WORK["conv"].macs / 4
    assert busy.roof is not None
    assert busy.roof.compute_ms == pytest.approx(2 * 10**8 / 4 / 100e6)
    assert not busy.expanded
    both = changed.part(time("fc", "Gemm", 0.1))
    assert both.promised_ms == pytest.approx(0.1 / 2 * 100 / 800)
    moved = changed.part(time("relu", "Relu", 0.05))
    assert moved.promised_ms == pytest.approx(0.05 - 0.5 * 0.01)
    # products of two values, as in attention, have no weights that would show it
    alone = terms(trial, Arithmetic(left={"conv": Left(macs=0.5)}))
    assert alone.part(time("conv", "Conv", 3.0)).promised_ms == pytest.approx(3.0 / 2)
    split = terms(trial, Arithmetic(left={"conv": Left(macs=1.1)}))
    assert split.part(time("conv", "Conv", 3.0)).promised_ms == pytest.approx(3.0 * 1.1)


def test_what_moves_less_saves_the_time_of_those_bytes(trial: Trial) -> None:
    narrowed = terms(trial, Arithmetic(narrowed={"relu": 0.25}))
    part = narrowed.part(time("relu", "Relu", 0.05))
    assert part.family == ELEMENTWISE
    assert part.promised_ms == pytest.approx(0.05 - 0.75 * 0.01)
    least = narrowed.part(time("relu", "Relu", 0.003))
    assert least.promised_ms == CEILINGS.node_ms  # a node costs something whatever it moves


def test_what_is_not_touched_or_not_known_stays_as_it_was(trial: Trial) -> None:
    nothing = terms(trial, Arithmetic())
    assert nothing.part(time("conv", "Conv", 3.0)).promised_ms == 3.0
    assert nothing.part(time("relu", "Relu", 0.5)).promised_ms == 0.5
    unknown = nothing.part(time("unheard of", "Mystery", 0.5))
    assert unknown.promised_ms == 0.5
    assert unknown.roof is None


def test_another_place_gains_by_its_own_ceilings(trial: Trial) -> None:
    faster = tuple(replace(one, gflops=2 * one.gflops) for one in CEILINGS.products)
    moved = replace(terms(trial, Arithmetic()), after=replace(CEILINGS, products=faster))
    assert moved.part(time("conv", "Conv", 3.0)).promised_ms == pytest.approx(1.5)


def test_nodes_that_are_joined_take_as_long_as_the_longest(trial: Trial) -> None:
    profile = tuple(time(name, "Relu", ms) for name, ms in (("a", 1.0), ("b", 3.0), ("c", 2.0)))
    parts = [terms(trial, Arithmetic()).part(one) for one in profile]
    found = joined(parts, profile, 1, {"a", "b"})
    assert [part.promised_ms for part in found] == [0.0, 3.0, 2.0]


def test_a_profile_is_scaled_to_the_latency() -> None:
    profile = (time("a", "Relu", 1.0), time("b", "Relu", 3.0))
    assert [one.milliseconds for one in scaled(profile, 2.0)] == [0.5, 1.5]
    assert scaled(profile, None) == profile
    assert scaled((), 2.0) == ()


def test_amdahl(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = Arithmetic(products={"conv": Product(numbers="int8", weight_bytes=10**5)})
    monkeypatch.setattr(module, "arithmetic_of", lambda *_: changed)
    monkeypatch.setattr(module, "ceilings", lambda *_, **__: CEILINGS)
    profile = (time("conv", "Conv", 1.0), time("relu", "Relu", 1.0))
    monkeypatch.setattr(module, "profile_of", lambda _: profile)
    basis = Known(opened=trial.job().opened)
    found = basis.promise(candidate("static"))  # beside an original of 2 ms
    assert found.speedup == pytest.approx(2 / (1 + 1 / 4))
    assert Promise(parts=(), ceilings=CEILINGS).speedup is None


def test_the_basis_is_measured_once(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = trial.job().opened
    first = Basis(opened=opened)
    assert {"conv1", "conv2", "fc"} <= {one.stands_for for one in first.profile}
    assert set(first.work) == set(opened.model.node_names)
    assert first.ceilings(opened.target).products
    for name in ("operator_times", "counted_work"):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("measured again"))
    assert Basis(opened=opened).profile == first.profile
