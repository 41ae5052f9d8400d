"""Docs to a `.spacy` file, or to a folder of them if they are too many for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin

from .files import replacing

# A DocBin is written and read as a whole, so its size is the memory that it takes.
SHARD_SIZE = 100_000
# What a text has without annotation of its tokens: a tenth of the memory of all attributes.
TEXT_ATTRS = ("ORTH",)


def _new(attrs: tuple[str, ...] | None) -> DocBin:
    if attrs is None:
        return DocBin(store_user_data=True)
    return DocBin(attrs=attrs, store_user_data=True)


def write_docs(
    docs: Iterable[Doc],
    path: Path,
    *,
    attrs: tuple[str, ...] | None = None,
    shard_size: int = SHARD_SIZE,
) -> int:
    """Write Docs, one after the other, to a DocBin that keeps `doc._.language`.

    docs (Iterable[Doc]): The Docs; none of them is kept.
    path (Path): The file, which appears only when it is complete. More than `shard_size` Docs make
        it a folder with `00000.spacy` and so on, which spaCy reads under the same path.
    attrs (Optional[Tuple[str, ...]]): The token attributes to keep; by default all.
    shard_size (int): Docs a file.
    RETURNS (int): Number of Docs.
    """
    n_docs = n_shards = 0
    doc_bin = _new(attrs)
    with replacing(path) as temporary:
        for doc in docs:
            if len(doc_bin) == shard_size:
                temporary.mkdir(exist_ok=True)
                doc_bin.to_disk(temporary / f"{n_shards:05}.spacy")
                n_shards += 1
                doc_bin = _new(attrs)
            doc_bin.add(doc)
            n_docs += 1
        doc_bin.to_disk(temporary / f"{n_shards:05}.spacy" if n_shards else temporary)
    return n_docs


def docbin_files(path: Path) -> Iterator[Path]:
    """List the files behind a `.spacy` path.

    path (Path): A file or a folder, as `write_docs` makes them.
    YIELDS (Path): The files, in order.
    """
    if path.is_dir():
        yield from sorted(p for p in path.glob("*.spacy") if not p.name.startswith("."))
    else:
        yield path
