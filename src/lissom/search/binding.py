"""What certified limits ask of a candidate: which certificates must be held, and which are not."""

from typing import Final

from lissom.measure.certificate import Certificate
from lissom.measure.split import FRACTIONS
from lissom.search.candidate import Candidate
from lissom.search.limits import Limits

__all__ = ["SHARE", "binding", "lacking"]

SHARE: Final = FRACTIONS["certification"]
"""Of all samples that a user gives, those that certify."""
DECISIVE: Final = ("bound", "error", "labels")
"""Kinds of certificates of a drop that bind, the hard ones first; an expected drop does not."""


def binding(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """Those that decide: of the drop one (labels where all are known), and all the others.

    Args:
        certificates: of one candidate.
    """
    drops = {one.kind: one for one in certificates if one.quantity == "drop"}
    found = [drops[kind] for kind in DECISIVE if kind in drops]
    return (*found[:1], *(one for one in certificates if one.quantity != "drop"))


def lacking(candidate: Candidate, limits: Limits) -> list[tuple[str, float, str]]:
    """Answer what a candidate lacks where limits must be certified; nothing where they need not.

    Args:
        candidate: the original needs no certificate of its drop, which is nothing.
        limits: of the run.

    Returns:
        For each certificate that is absent or not held: the quantity, the bound's excess over the
        limit, relative to it (infinite where there is no certificate), and a clause for people.
    """
    if not limits.certified:
        return []
    found = []
    decisive = binding(candidate.certificates)
    asked = limits.max_drop is not None and not candidate.is_original
    if asked and not any(one.quantity == "drop" for one in decisive):
        found.append(("drop", float("inf"), "a drop that is not certified"))
    for one in decisive:
        if not one.held:
            excess = max(1e-9, (one.bound - one.limit) / max(one.limit, 1e-3))
            found.append((one.quantity, excess, f"no certificate: {one.clause(share=SHARE)}"))
    return found
