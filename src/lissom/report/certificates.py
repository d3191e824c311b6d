"""Certificates in `result.json`, and what the terminal says of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from lissom.report.schema import CertificateEntry, FrontEntry
from lissom.search.binding import SHARE

if TYPE_CHECKING:
    from lissom.search.candidate import Candidate

__all__ = ["certificate_sentences", "certificates"]


def certificates(one: "Candidate") -> list[CertificateEntry]:
    """The certificates of a candidate; more samples are asked for as a user would give them."""
    return [cast("CertificateEntry", each.to_json(share=SHARE)) for each in one.certificates]


def certificate_sentences(entry: FrontEntry | None) -> Iterator[str]:
    """What is certified of the model that is delivered, and what not.

    Args:
        entry: what is delivered; None where that is the original.
    """
    for one in () if entry is None else entry["certificates"]:
        yield f"Certificate, {one['verdict']}: {one['sentence']}"
