"""A file by position: the same bytes as the file's, and an error where it became shorter."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lissom.errors import ModelError
from lissom.graph import window
from lissom.graph.window import Window


@given(
    content=st.binary(max_size=200),
    places=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 60)), max_size=30),
)
def test_like_the_bytes_themselves(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, places: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "content"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as stream:
        patch.setattr(window, "_PIECE_BYTES", 16)
        data = Window(stream, len(content), "a file")
        assert len(data) == len(content)
        for start, length in places:
            assert data[start : start + length] == content[start : start + length]
            if start < len(content):
                assert data[start] == content[start]


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x" * 100)
    with path.open("rb", buffering=0) as stream:
        data = Window(stream, 100, "the model")
        path.write_bytes(b"x" * 50)
        with pytest.raises(ModelError, match="the model became shorter"):
            data[10:90]
        with pytest.raises(ModelError, match="became shorter"):
            data[0]
