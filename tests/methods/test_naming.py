"""An error keeps its kind and what it said, and says where besides."""

import numpy as np
import pytest

from lissom.errors import ChildFailed, MethodError
from lissom.methods.naming import naming


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MethodError("not known"), "node 'fc0': not known"),
        (np.linalg.LinAlgError("Singular matrix"), "node 'fc0': Singular matrix"),
        (ChildFailed("it ended", "timeout", "last words"), "node 'fc0': it ended"),
        (ValueError(), "node 'fc0'"),
    ],
)
def test_the_same_error_says_at_which_node(error, said) -> None:
    with pytest.raises(type(error)) as found, naming("fc0"):
        raise error
    assert found.value is error
    assert str(error) == said
    assert getattr(error, "kind", "timeout") == "timeout"


def test_several_nodes() -> None:
    with pytest.raises(ValueError, match=r"^nodes 'a', 'b': odd$"), naming("a", "b"):
        raise ValueError("odd")


def test_an_error_whose_words_are_its_own_gets_a_note() -> None:
    with pytest.raises(FileNotFoundError) as found, naming("fc0"):
        raise FileNotFoundError(2, "No such file", "x")
    assert found.value.errno == 2
    assert found.value.__notes__ == ["node 'fc0'"]


def test_a_name_cannot_drive_a_terminal() -> None:
    with pytest.raises(MethodError) as found, naming("\x1b[2J"):
        raise MethodError("odd")
    assert "\x1b" not in str(found.value)


def test_nothing_happens_without_an_error() -> None:
    with naming("fc0"):
        done = True
    assert done
