"""Whether a library is there, and in which version."""

from types import ModuleType

import pytest

from lissom.runtime._installed import is_installed, version_of


def test_what_is_there_and_what_is_not() -> None:
    assert is_installed("numpy")
    assert not is_installed("no_such_library_here")


def test_the_index_knows_the_version() -> None:
    import numpy

    def never() -> ModuleType:
        pytest.fail("imported")

    assert version_of("numpy", never) == numpy.__version__


def test_a_build_under_another_name_is_asked_itself() -> None:
    other = ModuleType("other")
    other.__version__ = "7.1"  # type: ignore[attr-defined]
    assert version_of("no-such-package-here", lambda: other) == "7.1"
