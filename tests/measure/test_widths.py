"""Width tables: which widths are looked at, what is kept of the looks, and real ones."""

import json
from pathlib import Path

import pytest

from lissom.measure import widths as module
from lissom.measure.widths import Form, Table, planned, steps, tables, thinned
from lissom.runtime.target import Target
from lissom.store.store import Store

TABLE = Table(inputs=(8, 16), outputs=(4, 8, 12), microseconds=((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))


def convolution(inputs: int = 8, outputs: int = 8, *, size: int = 6, **changes: bool) -> Form:
    return Form(
        kernel=(3, 3),
        inputs=inputs,
        outputs=outputs,
        units=(inputs, outputs),
        spatial=(size, size),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(1, 1, 1, 1),
        **changes,
    )


PRODUCT = Form(kernel=(), inputs=8, outputs=6, units=(1, 6), batch=3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, (1,)),
        (3, (1, 2, 3)),
        (10, (2, 4, 6, 8, 10)),
        (16, (4, 8, 12, 16)),
        (30, (4, 8, 12, 16, 20, 24, 28, 30)),
        (64, (8, 16, 24, 32, 40, 48, 56, 64)),
        (1000, (128, 256, 384, 512, 640, 768, 896, 1000)),
    ],
)
def test_steps_are_multiples_of_a_power_of_two(size: int, expected: tuple[int, ...]) -> None:
    assert steps(size) == expected


def test_units_of_many_channels_leave_one_by_one() -> None:
    assert steps(12, 64) == tuple(range(1, 13))
    assert steps(12, 2) == (2, 4, 6, 8, 10, 12)
    assert steps(256, 9) == steps(256)


def test_few_steps_for_every_size_and_the_last_is_the_whole() -> None:
    for size in range(1, 3000):
        found = steps(size)
        assert len(found) <= 12
        assert found[-1] == size
        assert list(found) == sorted(set(found))
        assert found[0] > 0


def test_a_width_that_was_not_measured_is_the_next_wider_one() -> None:
    assert TABLE.at(16, 12) == 6
    assert TABLE.at(8, 4) == 1
    assert TABLE.at(3, 5) == 2
    assert TABLE.at(9, 1) == 4
    assert TABLE.at(8.0000000001, 4) == 1  # a share times a width is not quite whole
    assert TABLE.at(17, 13) == 6


def test_a_table_and_a_form_are_read_as_they_were_written() -> None:
    assert Table.from_json(json.loads(json.dumps(TABLE.to_json()))) == TABLE
    for form in (convolution(), PRODUCT, convolution(depthwise=True)):
        assert Form.from_json(json.loads(json.dumps(form.to_json()))) == form


def test_arithmetic_of_a_form() -> None:
    assert convolution().macs == 36 * 8 * 8 * 9
    assert convolution(depthwise=True).macs == 36 * 8 * 9
    assert PRODUCT.macs == 3 * 8 * 6


def test_many_widths_are_thinned_until_a_look_is_short() -> None:
    assert thinned((4, 8, 12, 16, 20), 2) == (4, 12, 20)
    assert thinned((4, 8, 12, 16), 8) == (16,)
    assert planned([convolution(16, 16)]) == [((4, 8, 12, 16), (4, 8, 12, 16))]
    large = convolution(1024, 1024, size=224)
    (grid,) = planned([large])
    assert grid == ((1024,), (1024,))
    many = planned([convolution(16, 16, size=number) for number in range(2, 120)])
    assert all(len(inputs) * len(outputs) < 16 for inputs, outputs in many)
    assert all(inputs[-1] == outputs[-1] == 16 for inputs, outputs in many)


def test_large_forms_are_timed_with_one_width_full_and_others_follow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    large = convolution(16, 12, size=100)
    (grid,) = planned([large])
    assert grid == ((4, 8, 12, 16), (2, 4, 6, 8, 10, 12))
    seen = []

    def timed(form: Form, inputs: int, outputs: int, *_: object) -> tuple[float, float]:
        seen.append((inputs, outputs))
        return 2.0 * inputs * outputs, 0.0

    monkeypatch.setattr(module, "_timed", timed)
    (found,) = module.probe(
        folder=str(tmp_path), forms=[large.to_json()], target=Target().to_json()
    )
    assert len(set(seen)) == 4 + 6 - 1
    assert all(16 in point[:1] or 12 in point[1:] for point in seen)
    assert Table.from_json(found).at(4, 2) == 16
    assert Table.from_json(found).at(12, 12) == 288


def test_only_what_may_leave_is_varied_unit_by_unit() -> None:
    heads = Form(kernel=(), inputs=96, outputs=10, units=(3, 1))
    assert planned([heads]) == [((32, 64, 96), (10,))]
    assert planned([PRODUCT]) == [((8,), (1, 2, 3, 4, 5, 6))]


def test_of_some_looks_the_shortest_is_kept_with_the_layouts_that_others_do_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A width of four needs another layout: 3 microseconds of changes, where 1 is the least.
    answers = {4: (10.0, 3.0), 8: (20.0, 1.0)}
    slower = iter([0.0, 5.0, 5.0, 0.0, 5.0, 5.0])

    def timed(form: Form, inputs: int, outputs: int, *_: object) -> tuple[float, float]:
        own, others = answers[inputs]
        return own + next(slower), others

    form = Form(kernel=(1, 1), inputs=8, outputs=8, units=(8, 1), spatial=(2, 2), strides=(1, 1))
    monkeypatch.setattr(module, "_timed", timed)
    monkeypatch.setattr(module, "steps", lambda units, _: (4, 8) if units > 1 else (1,))
    (found,) = module.probe(folder=str(tmp_path), forms=[form.to_json()], target=Target().to_json())
    assert found == {"inputs": [4, 8], "outputs": [8], "microseconds": [[12.0], [20.0]]}


def test_real_tables_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    forms = [convolution(), PRODUCT, convolution(depthwise=True), PRODUCT]
    found = tables(forms, Target(), store)
    assert set(found) == set(forms)
    assert found[PRODUCT].inputs == (8,)
    assert found[PRODUCT].outputs == (1, 2, 3, 4, 5, 6)
    assert [len(row) for row in found[convolution()].microseconds] == [4, 4, 4, 4]
    assert [len(row) for row in found[convolution(depthwise=True)].microseconds] == [1, 1, 1, 1]
    assert all(time > 0 for one in found.values() for row in one.microseconds for time in row)
    monkeypatch.setattr(module, "call", lambda *_, **__: pytest.fail("measured again"))
    assert tables(forms, Target(), store) == found


def test_what_is_too_large_has_no_table(tmp_path: Path) -> None:
    large = Form(kernel=(), inputs=2**13, outputs=2**13, units=(64, 64))
    assert tables([large], Target(), Store(tmp_path / "store")) == {}
