from hypothesis import given
from hypothesis import strategies as st

from lissom.report.schema import SkipEntry
from lissom.report.skips import grouped


def skip(target: str, reason: str) -> SkipEntry:
    return {"target": target, "reason": reason}


def test_skips_are_joined_by_reason_most_frequent_first() -> None:
    found = grouped([skip("a", "slow"), skip("b", "float"), skip("c", "float"), skip("b", "float")])
    assert [(one.reason, one.targets) for one in found] == [("float", ("b", "c")), ("slow", ("a",))]


@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from("xyz"))))
def test_nothing_is_lost(pairs: list[tuple[str, str]]) -> None:
    found = grouped(skip(target, reason) for target, reason in pairs)
    assert {(name, one.reason) for one in found for name in one.targets} == set(pairs)
    sizes = [len(one.targets) for one in found]
    assert sizes == sorted(sizes, reverse=True)
