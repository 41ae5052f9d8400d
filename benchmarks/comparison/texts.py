"""The texts that are read: sentences of a corpus, as they are, cut short, or joined."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlfa_spacy.corpora.conllu import read_conllu

# Words of a text, by its kind; None: a sentence as it is.
KINDS: dict[str, int | None] = {
    "tweets": 12,
    "sentences": None,
    "paragraphs": 120,
    "articles": 1_000,
    "books": 10_000,
}


@dataclass(frozen=True)
class Text:
    """A text as words, each with its universal tag.

    words (List[str]): The words.
    tags (List[str]): One per word.
    """

    words: list[str]
    tags: list[str]


def read_texts(corpus: Path, languages: Sequence[str], kind: str, words: int) -> list[Text]:
    """Make texts of a kind, the languages mixed, so that short and long ones stand side by side.

    corpus (Path): Folder of <lang>/test.conllu.
    languages (Sequence[str]): The languages.
    kind (str): One of `KINDS`.
    words (int): How many words all of them have together, at least. Of a corpus too small for that
        sentences are read again.
    RETURNS (List[Text]): The texts; at least one.
    RAISES (ValueError): There is no such file.
    """
    length = KINDS[kind]
    sentences = _mixed(corpus, languages)
    texts: list[Text] = []
    count = 0
    while count < words or not texts:
        if length is None or kind == "tweets":
            sentence = next(sentences)
            text = Text(sentence.words[:length], sentence.tags[:length])
        else:
            text = _join(sentences, length)
        texts.append(text)
        count += len(text.words)
    return texts


def _join(sentences: Iterator[Text], length: int) -> Text:
    joined = Text([], [])
    while len(joined.words) < length:
        sentence = next(sentences)
        joined.words.extend(sentence.words)
        joined.tags.extend(sentence.tags)
    return Text(joined.words[:length], joined.tags[:length])


def _mixed(corpus: Path, languages: Sequence[str]) -> Iterator[Text]:
    """YIELDS (Text): A sentence of each language in turn, without end."""
    streams = []
    for lang in languages:
        path = corpus / lang / "test.conllu"
        if not path.is_file():
            raise ValueError(
                f"--corpus {corpus}: there is no {lang}/test.conllu. Expected a folder with one "
                "for each of --languages. Fix: run from the repository's top folder, whose "
                "assets/corpus has them, or name a corpus of your own."
            )
        found = [Text(s.words, s.upos or [""] * len(s.words)) for s in read_conllu(path)]
        streams.append(itertools.cycle(found))
    for stream in itertools.cycle(streams):
        yield next(stream)
