"""Runs of one class, and where their copies stand."""

import numpy as np

from lissom.graph.channels.layout import laid, runs


def test_a_run_is_repeated_behind_itself() -> None:
    roots = np.asarray([4, 4, 7, 4, 9, 9])
    times = np.asarray([2, 2, 1, 2, 0, 0])
    assert [each.tolist() for each in runs(roots)] == [[0, 2, 3, 4], [2, 3, 4, 6]]
    order, copy = laid(roots, times)
    assert order.tolist() == [0, 1, 0, 1, 2, 3, 3]
    assert copy.tolist() == [0, 0, 1, 1, 0, 0, 1]


def test_nothing_is_no_run() -> None:
    none = np.empty(0, np.int64)
    assert [each.size for each in (*runs(none), *laid(none, none))] == [0, 0, 0, 0]
