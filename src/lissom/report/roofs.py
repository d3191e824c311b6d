"""This machine's ceilings, and how the heaviest operators stand under them, as plain lines."""

from collections.abc import Iterator

from lissom.measure.ceilings import Ceilings
from lissom.report import wording
from lissom.search.inspection import Inspection, SiteShare
from lissom.search.roofs import LIMITS, Standing

__all__ = ["HEAD", "ceiling_lines", "standing_rows", "words_of_limits"]

HEAD = ("name", "operator", "time", "share", "GFLOP/s", "FLOP/byte", "of roofline", "limited by")
MOST = 20
DISTURBED = (
    "  other work was in the way: they may be too low, and are measured again when there is none"
)
SMALL = 0.005  # share of the time under which an operator is not listed


def ceiling_lines(ceilings: Ceilings) -> list[str]:
    """The highest rates that the runtime reached here."""
    threads = wording.counted(ceilings.threads, "thread")
    products: dict[str, list[str]] = {}
    for one in ceilings.products:
        products.setdefault(one.operator, []).append(
            f"{one.numbers} {one.gflops:,.0f} ({one.kernel})"
        )
    moves = ", ".join(
        f"{one.gb_per_second:.0f} in {wording.size(one.size_bytes)}" for one in ceilings.moves
    )
    return [
        f"ceilings of this machine, {threads}, as the runtime reaches them",
        *(f"  {name} in GFLOP/s: {', '.join(rates)}" for name, rates in products.items()),
        f"  memory in GB/s, read and written: {moves}",
        f"  a node that does nothing: {wording.milliseconds(ceilings.node_ms)}",
        *([] if ceilings.quiet else [DISTURBED]),
    ]


def standing_rows(found: Inspection) -> list[tuple[str, ...]]:
    """The heaviest weighted operators, one row each, slowest first."""
    return [
        (
            site.name,
            site.op_type,
            wording.milliseconds(standing.milliseconds),
            wording.share(standing.share),
            f"{standing.gflops:,.0f}",
            f"{standing.intensity:,.0f}",
            f"{standing.roofline:.0%}",
            standing.limit,
        )
        for site, standing in heaviest(found)
    ]


def words_of_limits(found: Inspection) -> list[str]:
    """What each limit that occurs means."""
    seen = {standing.limit for _, standing in heaviest(found)}
    return [f"  {limit}: {words}" for limit, words in LIMITS.items() if limit in seen]


def heaviest(found: Inspection) -> Iterator[tuple[SiteShare, Standing]]:
    """The weighted operators that take a share worth a row, slowest first."""
    known = [(site, site.standing) for site in found.sites if site.standing is not None]
    once = {site.name: (site, standing) for site, standing in known}
    ordered = sorted(once.values(), key=lambda each: -each[1].milliseconds)
    return iter([each for each in ordered if each[1].share >= SMALL][:MOST])
