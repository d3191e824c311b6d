import numpy as np
import pytest

from lissom.errors import SamplesError
from lissom.measure.labels import known, plain


@pytest.mark.parametrize(
    ("label", "says"),
    [(3, True), (-1, False), (-2, True), (0.5, True), (np.nan, False), ("a", True), ("", False)],
)
def test_what_is_an_unknown_label(label, says):
    assert known(np.asarray(label)) == says


def test_an_array_is_known_if_any_of_it_is():
    assert known(np.array([-1, 2]))
    assert not known(np.array([-1, -1]))
    assert not known(np.zeros(0))
    assert known(np.array([True, False]))
    assert known(np.array([255], np.uint8))


@pytest.mark.parametrize(
    ("labels", "filled"),
    [
        ([3, None, 0], [3, -1, 0]),
        (["a", None], ["a", ""]),
        ([None, None], [-1, -1]),
        ([1, 2], [1, 2]),
    ],
)
def test_none_in_a_list_is_unknown(labels, filled):
    assert plain(labels, "labels").tolist() == filled


def test_none_among_numbers_is_nan():
    assert np.isnan(plain([0.5, None], "labels")).tolist() == [False, True]


@pytest.mark.parametrize("labels", [5, [{}, None], [[1, 2], None], np.array([1 + 2j])])
def test_other_objects_are_refused(labels):
    with pytest.raises(SamplesError, match="labels"):
        plain(np.array(labels, dtype=object) if isinstance(labels, list) else labels, "labels")
