"""The texts in use, from a file or a folder."""

from collections.abc import Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.loading import read_docs
from ..corpora.streaming import SUFFIXES

PLAIN = ".txt"


def read_texts(nlp: Language, path: str | Path) -> list[Doc]:
    """
    nlp (Language): The pipeline, whose tokenizer makes the Docs.
    path (Union[str, Path]): A file, or a folder, searched recursively: .txt with one
        text per line, or a corpus (.spacy, .jsonl, .tsv, .conllu, .iob2).
    RETURNS (List[Doc]): All texts.
    RAISES (ValueError): Nothing there, or a malformed file.
    """
    path = Path(path)
    candidates = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in candidates if file.suffix in (PLAIN, *SUFFIXES) and file.is_file()]
    if not files:
        raise ValueError(
            f"{path}: found no texts. Expected {PLAIN} with one text per line, or "
            f"{', '.join(SUFFIXES)}. Fix: correct the path."
        )
    return [doc for file in files for doc in _read(nlp, file)]


def _read(nlp: Language, file: Path) -> Iterator[Doc]:
    if file.suffix != PLAIN:
        yield from read_docs(file, vocab=nlp.vocab, make_doc=nlp.make_doc)
        return
    with file.open(encoding="utf-8-sig") as lines:
        for line in lines:
            if line.strip():
                yield nlp.make_doc(line.strip())
