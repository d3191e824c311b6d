"""The front: which candidates no other beats, and which of them is chosen.

Noise never ranks. Two speedups whose intervals overlap are equal; drops, sizes and memories
that differ by less than can be told apart are equal. So "equal" is not transitive, and
three candidates could beat each other in a circle; `front` therefore removes candidates one
by one, worst on the goal first, and only when one that is still there beats them. What stays
is never empty, and no member beats another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lissom.search.binding import lacking
from lissom.search.candidate import Candidate
from lissom.search.limits import Goal, Limits
from lissom.search.result import Choice
from lissom.search.units import format_bytes, format_percent, format_points

__all__ = ["CLOSE", "beats", "choose", "describe", "front", "misses", "order_speed"]

DROP_NOISE: Final = 0.0005  # drops come from the same samples: paired, so finer than their interval
SIZE_NOISE: Final = 0.002  # provenance metadata differs by some bytes
MEMORY_NOISE: Final = 0.03
MEMORY_FLOOR_BYTES: Final = 2**20  # pages and allocator arenas
CLOSE: Final = 0.01
"""Unjudged, a candidate may differ by this much, relative to the outputs' range, to be chosen."""
SPEED_FLOOR: Final = 0.005  # an interval can be luckily thin; differences under this say nothing


def beats(one: Candidate, other: Candidate) -> bool:
    """Tell whether `one` is at least as good in everything and better in something.

    Drop, latency, size and memory count; better means beyond the noise. An unknown drop (no
    data) is beaten only by a lossless candidate, and beats nothing.
    """
    orders = (
        order_drop(one, other),
        order_speed(one, other),
        order_amount(one.size_bytes, other.size_bytes, SIZE_NOISE, 0),
        order_amount(one.memory_bytes, other.memory_bytes, MEMORY_NOISE, MEMORY_FLOOR_BYTES),
    )
    if orders[1] == 0 and not as_fast(one, other):
        return False  # an interval that is wide enough is equal to everything
    known = [order for order in orders if order is not None]
    return orders[0] is not None and min(known) >= 0 and max(known) > 0


def front(candidates: Sequence[Candidate], goal: Goal, *, keep: str = "") -> tuple[Candidate, ...]:
    """Answer the candidates that no other beats, best on the goal first.

    Args:
        candidates: the original and all that were tried; failed ones are left out.
        goal: orders the answer, and decides who stays in a circle of mutual beatings.
        keep: the name of one that stays even so: what is delivered is on the front.
    """
    better = goal_value(goal)
    alive = sorted((c for c in candidates if c.failed is None), key=better)
    for candidate in tuple(alive):
        rivals = [rival for rival in alive if rival is not candidate]
        if candidate.name != keep and any(beats(rival, candidate) for rival in rivals):
            alive.remove(candidate)
    return tuple(reversed(alive))


def choose(candidates: Sequence[Candidate], limits: Limits) -> Choice:
    """Choose the best on the goal within the limits.

    Ties go to the smaller drop, and where the samples do not tell drops apart, to the smaller file.

    Estimates on the selection part decide. The original always competes, and whatever is chosen
    instead of it is not worse on the goal: the interval of a speedup must exclude a slowdown.

    Args:
        candidates: the original (one, by its name) and all that were tried.
        limits: goal and limits, defaults filled in.
    """
    original = next(c for c in candidates if c.is_original)
    usable = [c for c in candidates if c.failed is None and not c.is_original]
    within = [c for c in usable if not misses(c, limits)]
    original_holds = not misses(original, limits)
    rivals = [c for c in within if not_worse(c, original, limits.goal, strictly=original_holds)]
    if rivals:
        tie = break_tie(rivals, limits.goal)
        return Choice(name=tie.best.name, met=True, reasons=(why_chosen(tie, limits),))
    if original_holds:
        return Choice(name=original.name, met=True, reasons=why_original(within, usable, limits))
    return Choice(
        name=original.name, met=False, reasons=why_missed(within, [original, *usable], limits)
    )


@dataclass(frozen=True, slots=True)
class Miss:
    """A limit that a candidate does not hold.

    Attributes:
        limit: its option's name.
        excess: by how much, relative to the limit; infinite if it was not measured.
        text: a sentence part such as "size 2.10 MB over the limit of 2.00 MB".
    """

    limit: str
    excess: float
    text: str


def misses(candidate: Candidate, limits: Limits) -> tuple[Miss, ...]:
    """Answer the limits that a candidate does not hold, each with the excess.

    Where no drop is known and no limit at all was named, the outputs must stay close to the
    original's on the inputs that were checked: nobody asked for another trade.
    """
    unjudged = limits.unlimited and candidate.drop is None
    rows: tuple[tuple[str, float | None, float | None, Callable[[float], str]], ...] = (
        ("drop", candidate.drop, limits.max_drop, format_points),
        (
            "difference of the outputs",
            candidate.max_relative_error,
            CLOSE if unjudged else None,
            format_percent,
        ),
        ("latency", candidate.latency_ms, limits.max_latency_ms, lambda ms: f"{ms:.3g} ms"),
        ("size", candidate.size_bytes, limits.max_size_bytes, format_bytes),
        ("memory", candidate.memory_bytes, limits.max_memory_bytes, format_bytes),
    )
    found = []
    for name, value, limit, write in rows:
        if limit is None:
            continue
        if value is None:
            found.append(Miss(name, float("inf"), f"{name} not measured"))
        elif value > limit:
            excess = (value - limit) / max(limit, 1e-3)
            found.append(
                Miss(name, excess, f"{name} {write(value)} over the limit of {write(limit)}")
            )
    found += [Miss(*lack) for lack in lacking(candidate, limits)]
    return tuple(found)


def order_drop(one: Candidate, other: Candidate) -> int | None:
    """1 if `one` drops less, -1 if more, 0 if equal within noise, None if not comparable."""
    if one.drop is not None and other.drop is not None:
        difference = other.drop - one.drop
        return 0 if abs(difference) <= DROP_NOISE else (1 if difference > 0 else -1)
    if one.drop is not None and one.drop <= 0:
        return 0  # nothing unknown can be better than lossless
    return None


def order_speed(one: Candidate, other: Candidate) -> int | None:
    """1 if `one` is faster beyond the noise, -1 if slower, 0 if equal, None if not measured.

    Beyond the noise: the intervals do not meet, and the speeds differ by more than a model differs
    from itself.
    """
    mine, theirs = one.speedup_interval, other.speedup_interval
    if mine is None or theirs is None or one.speedup is None or other.speedup is None:
        return None
    least = 1 + max(one.noise_floor, other.noise_floor)
    if mine[0] > theirs[1] * (1 + SPEED_FLOOR):
        return int(one.speedup > other.speedup * least)
    if theirs[0] > mine[1] * (1 + SPEED_FLOOR):
        return -int(other.speedup > one.speedup * least)
    return 0


def as_fast(one: Candidate, other: Candidate) -> bool:
    """Tell whether the best guess of one's speed is not below all that the other's may be."""
    if one.speedup is None or other.speedup_interval is None:
        return True
    floor = max(SPEED_FLOOR, one.noise_floor, other.noise_floor)
    return one.speedup * (1 + floor) >= other.speedup_interval[0]


def order_amount(mine: int | None, theirs: int | None, noise: float, floor: int) -> int | None:
    """1 if `mine` is less beyond the noise, -1 if more, 0 if equal, None if not measured."""
    if mine is None or theirs is None:
        return None
    tolerance = max(floor, noise * max(mine, theirs))
    return 0 if abs(mine - theirs) <= tolerance else (1 if mine < theirs else -1)


def order_goal(one: Candidate, other: Candidate, goal: Goal) -> int | None:
    """Order two candidates on the goal alone, as the functions above do."""
    match goal:
        case "speed":
            return order_speed(one, other)
        case "size":
            return order_amount(one.size_bytes, other.size_bytes, SIZE_NOISE, 0)
        case "memory":
            return order_amount(
                one.memory_bytes, other.memory_bytes, MEMORY_NOISE, MEMORY_FLOOR_BYTES
            )
        case "quality":
            return order_drop(one, other)


def goal_value(goal: Goal) -> Callable[[Candidate], tuple[float, float]]:
    """Answer a sort key: more is better on the goal, then faster (or smaller) as second."""
    worst = float("-inf")

    def negated(value: float | None) -> float:
        return worst if value is None else -value

    def key(candidate: Candidate) -> tuple[float, float]:
        speed = worst if candidate.speedup is None else candidate.speedup
        match goal:
            case "speed":
                return speed, negated(candidate.size_bytes)
            case "size":
                return negated(candidate.size_bytes), speed
            case "memory":
                return negated(candidate.memory_bytes), speed
            case "quality":
                return negated(candidate.drop), speed

    return key


def not_worse(candidate: Candidate, original: Candidate, goal: Goal, *, strictly: bool) -> bool:
    """Tell whether a candidate may stand in for the original, going by the goal.

    Args:
        candidate: holds the limits.
        original: the user's model.
        goal: of the run.
        strictly: the original holds the limits too, so that only a gain beyond the noise is
            worth a change; otherwise it is enough that no loss was shown.
    """
    order = order_goal(candidate, original, goal)
    if goal == "quality":
        # an equal answer at a clear gain in speed is worth taking; less quality is not, unless
        # the original itself is out of the limits
        return not strictly or (order == 0 and order_speed(candidate, original) == 1)
    return order is not None and (order > 0 if strictly else order >= 0)


@dataclass(frozen=True, slots=True)
class Tie:
    """How the chosen one came before another that looks better on the goal.

    Attributes:
        best: the chosen one.
        leader: the best on the goal by its number alone; the same one where nothing was decided.
        decided: a sentence on what was decisive; empty where nothing was to decide.
    """

    best: Candidate
    leader: Candidate
    decided: str = ""


def break_tie(rivals: Sequence[Candidate], goal: Goal) -> Tie:
    """The best on the goal; of those that noise cannot tell from it, the one that drops least.

    Where the samples cannot tell the drops apart either, the smaller file decides, and only then
    the drop as it was estimated.
    """
    key = goal_value(goal)
    leader = max(rivals, key=key)
    tied = [c for c in rivals if order_goal(leader, c, goal) == 0]
    if goal == "speed":
        tied = [c for c in tied if as_fast(c, leader)]
    known = [c for c in tied if c.drop is not None]
    if not known:
        return Tie(leader, leader)
    near = small = known
    if goal != "quality":  # who asks for quality wants every bit of it, and then speed
        near = [c for c in known if not any(drops_more(c, other) for other in known)] or known
        small = smallest(near)
    best = least_drop(small, key)
    if best is leader:
        return Tie(best, leader)
    if leader not in near:
        return Tie(best, leader, "The smaller drop decides.")
    if leader not in small:
        why = "The samples do not tell their drops apart either: the smaller file decides."
        return Tie(best, leader, why)
    return Tie(best, leader, "Their files are as large: the smaller estimate of the drop decides.")


def least_drop(
    rivals: Sequence[Candidate], key: Callable[[Candidate], tuple[float, float]]
) -> Candidate:
    """Of those that drop least by the estimates, the best by a key; all drops are known."""
    least = min(c.drop for c in rivals if c.drop is not None)
    return max((c for c in rivals if (c.drop or 0.0) <= least + DROP_NOISE), key=key)


def drops_more(one: Candidate, other: Candidate) -> bool:
    """Tell whether the samples show that `one` drops more: its interval lies above the other's.

    Without labels a drop is only expected, and its interval is the wider the more answers differ.
    So there a share of answers that differ, which is counted, may show it as well.
    """
    mine, theirs = one.quality, other.quality
    if mine is None:
        return False  # lossless
    low, high = mine.drop_interval[0], theirs.drop_interval[1] if theirs else 0.0
    differing = theirs.disagreement_interval[1] if theirs else 0.0
    judged = mine.drop_kind != "labels" and mine.disagreement_interval[0] > differing
    return low > high or judged


def smallest(rivals: Sequence[Candidate]) -> list[Candidate]:
    """Those whose files are the smallest, within noise; all where a size is not known."""
    sizes = [c.size_bytes for c in rivals if c.size_bytes is not None]
    if len(sizes) < len(rivals):
        return list(rivals)
    least = min(sizes)
    return [c for c in rivals if order_amount(least, c.size_bytes, SIZE_NOISE, 0) == 0]


def describe(candidate: Candidate) -> str:
    """What a candidate gains and costs, in a few words."""
    words = []
    if candidate.speedup is not None and candidate.speedup_interval is not None:
        low, high = candidate.speedup_interval
        words.append(f"{candidate.speedup:.2f}x the original's speed ({low:.2f} to {high:.2f})")
    if candidate.size_bytes is not None:
        words.append(format_bytes(candidate.size_bytes))
    quality = candidate.quality
    if quality is not None and quality.drop_kind == "expected":
        differ = format_percent(quality.disagreement)
        words.append(f"expected drop {format_points(quality.drop)}, {differ} of answers differ")
    elif quality is not None:
        words.append(f"drop {format_points(quality.drop)}")
    else:
        words.append("lossless" if candidate.lossless else "quality not measured")
    return ", ".join(words)


def why_chosen(tie: Tie, limits: Limits) -> str:
    """One or two sentences for the delivered candidate: what it is best at, or how a tie ended."""
    best, leader, goal = tie.best, tie.leader, limits.goal
    within = "within the limits" if not limits.unlimited else "of all tried"
    if not tie.decided:
        return f"{best.name} is the best on {goal} {within}: {describe(best)}."
    return (
        f"{best.name} ties for the best on {goal} {within}: {describe(best)}. Noise does not tell "
        f"it from {leader.name} on {goal} ({describe(leader)}). {tie.decided}"
    )


def why_original(
    within: Sequence[Candidate], usable: Sequence[Candidate], limits: Limits
) -> tuple[str, ...]:
    """Sentences for a run in which nothing was gained."""
    gain = {
        "speed": "faster",
        "size": "smaller",
        "memory": "leaner",
        "quality": "as good and faster",
    }
    key = goal_value(limits.goal)
    if not usable:
        return ("The original is returned: no candidate could be made.",)
    if within:
        best = max(within, key=key)
        return (
            f"The original is returned: nothing within the limits is {gain[limits.goal]} "
            f"beyond the noise; the nearest was {best.name}: {describe(best)}.",
        )
    nearest = min(usable, key=lambda c: (worst_excess(c, limits), tuple(-v for v in key(c))))
    texts = " and ".join(miss.text for miss in misses(nearest, limits))
    return (
        "The original is returned: no other candidate holds the limits; the nearest, "
        f"{nearest.name}, has {texts} ({describe(nearest)}).",
    )


def why_missed(
    within: Sequence[Candidate], usable: Sequence[Candidate], limits: Limits
) -> tuple[str, ...]:
    """Sentences for limits that cannot be met: which one, by how much, and what would help."""
    if within:
        best = max(within, key=goal_value(limits.goal))
        return (
            f"{best.name} holds every limit but is worse than the original on {limits.goal} "
            f"({describe(best)}): name another goal to have it chosen.",
        )
    nearest = min(usable, key=lambda c: worst_excess(c, limits))
    texts = " and ".join(miss.text for miss in misses(nearest, limits))
    return (f"The limits cannot be met: the nearest, {nearest.name}, has {texts}.",)


def worst_excess(candidate: Candidate, limits: Limits) -> float:
    """The largest relative excess over any limit; 0 if all hold."""
    return max((miss.excess for miss in misses(candidate, limits)), default=0.0)
