"""Channel groups as lines: names that can be read, lists that end."""

from dataclasses import replace

from lissom.report.groups import MOST_GROUPS, WIDEST_NAME, group_lines, short
from lissom.search.grouping import Group, Grouping, Place

PLACES = tuple(
    Place(weight=f"layer.{number}.weight", axis=0, shape=(768, 64), per_unit=64)
    for number in range(5)
)
HEADS = Group(name="attention", units=12, places=PLACES, inexact="")
FOUND = Grouping(
    groups=(HEADS, replace(HEADS, name="norm", inexact="statistics are taken over it")),
    coverage=0.954,
    kept=(("it is an output of the model", 5000), ("it is a place in a kernel", 200)),
)


def test_units_places_and_reasons() -> None:
    text = "\n".join(group_lines(FOUND))
    assert "2 channel groups, 95.4% of the parameters in a removable unit" in text
    assert "attention: 12 units, exact" in text
    assert "norm: 12 units, inexact: statistics are taken over it" in text
    assert "layer.0.weight [768, 64], axis 0, 64 a unit" in text
    assert "and 2 more weights" in text
    assert "5.00 k  it is an output of the model" in text


def test_long_lists_and_names_are_cut_and_say_so() -> None:
    many = replace(FOUND, groups=(HEADS,) * (MOST_GROUPS + 5), kept=FOUND.kept * 6)
    text = "\n".join(group_lines(many))
    assert "and 5 more (--json lists all)" in text
    assert "for 4 more reasons" in text
    name = "/model/encoder/" + "block/" * 20 + "mlp/fc1/MatMul"
    assert len(short(name)) == WIDEST_NAME
    assert short(name).startswith("/model/")
    assert short(name).endswith("/mlp/fc1/MatMul")
    assert short("fc1") == "fc1"


def test_no_groups() -> None:
    assert group_lines(Grouping(groups=(), coverage=0.0, kept=())) == [
        "0 channel groups, 0.0% of the parameters in a removable unit"
    ]
