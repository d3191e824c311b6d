import hashlib

from hypothesis import given
from hypothesis import strategies as st

from lissom.measure.split import FRACTIONS, assign

KEYS = st.lists(st.integers(0, 400).map(lambda n: hashlib.sha256(bytes([n % 251])).digest()))


def keys(count, start=0):
    return [hashlib.sha256(str(i).encode()).digest() for i in range(start, start + count)]


def test_fractions_are_met():
    parts = assign(keys(5000))
    for name, fraction in FRACTIONS.items():
        assert abs(len(parts[name]) / 5000 - fraction) < 0.03


def test_few_samples_fill_parts_in_order_of_need():
    assert [len(part) for part in assign(keys(1)).values()] == [1, 0, 0]
    assert [len(part) for part in assign(keys(2)).values()] == [1, 1, 0]
    for start in range(50):
        assert all(len(part) for part in assign(keys(3, start)).values())
        assert len(assign(keys(2, start))["certification"]) == 0


def test_order_of_samples_does_not_matter():
    forward, backward = assign(keys(40)), assign(keys(40)[::-1])
    for name in FRACTIONS:
        assert {39 - i for i in backward[name]} == set(forward[name])


@given(KEYS)
def test_parts_are_disjoint_whole_and_copies_stay_together(hashes):
    parts = assign(hashes)
    assert sorted(i for part in parts.values() for i in part) == list(range(len(hashes)))
    home = {}
    for name, indices in parts.items():
        for i in indices:
            assert home.setdefault(hashes[i], name) == name
