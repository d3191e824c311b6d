"""Certificates in the document and under the table."""

from dataclasses import replace
from typing import Any

import numpy as np

from lissom.measure.certificate import certify
from lissom.report.certificates import certificate_sentences, certificates
from lissom.report.schema import document_adapter
from lissom.report.sentences import chosen_entry
from tests.search.made import candidate

FEW = certify([np.zeros(60)], 0.01)


def test_a_certificate_lies_in_the_document_with_its_sentence() -> None:
    (entry,) = certificates(replace(candidate("fast"), certificates=FEW))
    assert entry["verdict"] == "too few samples"
    # as many as a user must give, of which a fifth certifies
    assert "About 1,200 more samples" in entry["sentence"]


def test_what_is_delivered_is_said_to_be_certified_or_not(full_document: Any) -> None:
    entry = chosen_entry(full_document)
    assert entry is not None
    given = {**entry, "certificates": certificates(replace(candidate("fast"), certificates=FEW))}
    (line,) = certificate_sentences(given)  # type: ignore[arg-type]
    assert line.startswith("Certificate, too few samples: Too few samples to tell")
    document_adapter().validate_python({**full_document, "front": [given]})
    assert list(certificate_sentences(None)) == []
