"""Identities: uniting is an equivalence relation, and words hold for whole classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.graph.channels.identities import Identities

COUNT = 12
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=30)


def classes(pairs: list[tuple[int, int]]) -> list[int]:
    """The smallest number of each class, by the slow and plain way."""
    found = list(range(COUNT))
    for _ in range(COUNT):
        for one, other in pairs:
            found[one] = found[other] = min(found[one], found[other])
    return found


@given(PAIRS, st.integers(0, 30))
def test_uniting_is_an_equivalence_relation(pairs: list[tuple[int, int]], cut: int) -> None:
    ids = Identities()
    ids.new(COUNT)
    for part in (pairs[:cut], pairs[cut:]):
        first, second = (np.array([pair[i] for pair in part], np.int64) for i in (0, 1))
        ids.unite(first, second)
    assert ids.all_roots().tolist() == classes(pairs)


def test_a_long_chain_is_one_class() -> None:
    ids = Identities()
    every = ids.new(5000)
    ids.unite(every[1:], every[:-1])
    assert set(ids.all_roots().tolist()) == {0}


def test_words_hold_for_the_whole_class_and_the_first_stays() -> None:
    ids = Identities()
    first, second = ids.new(3), ids.new(3)
    ids.freeze(second[:1], "why")
    ids.freeze(first[:1], "later")
    ids.mark(second[2:], "inexact")
    ids.unite(first, second)
    assert ids.frozen() == {0: "why"}
    assert ids.marked() == {2: "inexact"}


def test_only_as_many_as_there_are_can_be_the_same() -> None:
    ids = Identities()
    with pytest.raises(ValueError, match="3 indices"):
        ids.unite(ids.new(3), ids.new(1))


def test_what_the_graph_makes_is_told_apart() -> None:
    ids = Identities()
    made, own = ids.new(2, made=True), ids.new(2000)
    assert ids.only_made(made)
    assert not ids.only_made(np.concatenate([made, own]))
