"""Docs to a `.spacy` file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc, DocBin

from .files import replacing


def write_docs(docs: Iterable[Doc], path: Path) -> int:
    """Write Docs, one after the other, to a DocBin that keeps `doc._.language`.

    docs (Iterable[Doc]): The Docs; none of them is kept.
    path (Path): The file. It appears only when it is complete.
    RETURNS (int): Number of Docs.
    """
    doc_bin = DocBin(store_user_data=True)
    for doc in docs:
        doc_bin.add(doc)
    with replacing(path) as temporary:
        doc_bin.to_disk(temporary)
    return len(doc_bin)
