import json

import numpy as np
import pytest

from lissom.errors import SamplesError
from lissom.measure.spool import Column, ColumnReader, ColumnWriter
from lissom.store.store import Store


def spooled(tmp_path, values):
    store = Store(tmp_path / "store")
    writer = ColumnWriter("x", tmp_path / "x.bin")
    for value in values:
        writer.append(value, "here")
    column = writer.finish(store)
    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column
    return ColumnReader(column, store)


@pytest.mark.parametrize(
    "values",
    [
        [np.zeros((1, 2)), np.ones((1, 5)), np.ones((1, 0))],
        [np.array([True]), np.array([False])],
        [np.array(3, np.int64), np.array(4, np.int64)],
        [np.zeros((0,), np.float16)],
        [np.array(["a", "", "öß"]), np.array(["longer than before"])],
    ],
)
def test_values_come_back(tmp_path, values):
    reader = spooled(tmp_path, values)
    for i, value in enumerate(values):
        found = reader.read(i)
        assert found.shape == value.shape == reader.shape(i)
        assert found.dtype.kind == value.dtype.kind
        np.testing.assert_array_equal(found, value)


def test_type_and_rank_stay(tmp_path):
    writer = ColumnWriter("x", tmp_path / "x.bin")
    writer.append(np.zeros((1, 2)), "first")
    for other in (np.zeros((1, 2), np.float32), np.zeros(2)):
        with pytest.raises(SamplesError, match="second: 'x'"):
            writer.append(other, "second")
    writer.close()


def test_text_with_a_zero_character_is_refused(tmp_path):
    writer = ColumnWriter("x", tmp_path / "x.bin")
    with pytest.raises(SamplesError, match="zero character"):
        writer.append(np.array(["a\0b"]), "here")
    writer.close()
