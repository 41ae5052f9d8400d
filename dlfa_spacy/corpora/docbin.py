"""Docs to a `.spacy` file, or to a folder of them if they are too many for one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..files.writing import replacing
from ..language import get_language
from .docbin_format import check_strings, load_docbin, wrong

# A DocBin is written and read as a whole, so its size is the memory that it takes.
SHARD_SIZE = 100_000
# What a DocBin holds of each Doc.
_LISTS = ("tokens", "spaces", "cats", "flags", "span_groups", "user_data")
# What a text has without annotation of its tokens: a tenth of the memory of all attributes.
TEXT_ATTRS = ("ORTH",)


class _Writer:
    """A DocBin to be. srsly looks through all entry points whenever it packs user data, which takes
    longer than the rest together; most Docs of a file have the same: their language."""

    def __init__(self, attrs: tuple[str, ...] | None) -> None:
        self.doc_bin = DocBin() if attrs is None else DocBin(attrs=attrs)
        self._packed: dict[object, bytes] = {}

    def add(self, doc: Doc) -> None:
        self.doc_bin.add(doc)
        language = get_language(doc)
        if language is None or len(doc.user_data) > 1:
            self.doc_bin.user_data.append(srsly.msgpack_dumps(doc.user_data))
            return
        if language not in self._packed:
            self._packed[language] = srsly.msgpack_dumps(doc.user_data)
        self.doc_bin.user_data.append(self._packed[language])

    def to_disk(self, path: Path) -> None:
        self.doc_bin.store_user_data = True
        self.doc_bin.to_disk(path)


def read_docbin(path: Path, vocab: Vocab, only: Set[int] | None = None) -> Iterator[Doc]:
    """Read the Docs of one file.

    path (Path): The file.
    vocab (Vocab): The vocab of the Docs.
    only (Optional[Set[int]]): The numbers of those to make, which is what takes time.
    YIELDS (Doc): The Docs, in order.
    RAISES (ValueError): If the file is not a DocBin, or one whose parts do not fit together.
    """
    doc_bin = load_docbin(path)
    if only is not None:
        kept = [number for number in range(len(doc_bin)) if number in only]
        for name in _LISTS:
            values = getattr(doc_bin, name)
            setattr(doc_bin, name, [values[number] for number in kept])
    check_strings(path, doc_bin, vocab)
    packed, doc_bin.user_data = doc_bin.user_data, []
    unpacked: dict[bytes, dict[Any, Any]] = {}
    docs = doc_bin.get_docs(vocab)
    for data in packed:
        try:
            doc = next(docs)
            if data is not None:
                if data not in unpacked:
                    unpacked.clear()
                    unpacked[data] = srsly.msgpack_loads(data, use_list=False)
                # A Doc of its own may change what it holds.
                doc.user_data.update(copy.deepcopy(unpacked[data]))
        except Exception as error:
            # Heads, spans and user data each have errors of their own.
            reason = " ".join(f"{type(error).__name__} {error}".split())
            raise wrong(path, reason[:200], "Docs that spaCy can make") from error
        yield doc


def count_docs(path: Path) -> int:
    """Count the Docs behind a `.spacy` path.

    path (Path): A file or a folder, as `write_docs` makes them.
    RETURNS (int): Their number.
    RAISES (ValueError): If a file is not a DocBin.
    """
    return sum(len(load_docbin(file)) for file in docbin_files(path))


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
    shard_size (int): Docs per file.
    RETURNS (int): Number of Docs.
    """
    n_docs = n_shards = 0
    writer = _Writer(attrs)
    with replacing(path) as temporary:
        for doc in docs:
            if len(writer.doc_bin) == shard_size:
                temporary.mkdir(exist_ok=True)
                writer.to_disk(temporary / f"{n_shards:05}.spacy")
                n_shards += 1
                writer = _Writer(attrs)
            writer.add(doc)
            n_docs += 1
        writer.to_disk(temporary / f"{n_shards:05}.spacy" if n_shards else temporary)
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
