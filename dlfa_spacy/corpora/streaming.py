"""A corpus for training that never is in memory as a whole."""

import logging
import random
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..language import get_language, set_language
from .bare import bare_doc
from .labels import OPEN, SCHEMES, order_labels
from .loading import ReadingOptions, read_docs, topics_of

SUFFIXES = (".spacy", ".jsonl", ".tsv", ".conllu", ".iob2")

logger = logging.getLogger("spacy")

Augmenter = Callable[[Language, Example], Iterable[Example]]


def corpus_files(path: Path) -> list[Path]:
    """List the corpus files at a path.

    path (Path): A file, or a folder, searched recursively.
    RETURNS (List[Path]): The files, sorted.
    RAISES (ValueError): If there are none, or sources and converted files are mixed.
    """
    if path.is_file():
        return [path]
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.suffix in SUFFIXES
        and file.is_file()
        and not any(re.match(r"\.", part) for part in file.relative_to(path).parts)
    ]
    if not files:
        raise ValueError(
            f"[corpora] path: found no corpus at {path}, expected a file or a folder with files "
            f"{', '.join(SUFFIXES)}. Fix: correct the path, or make them with `dlfa convert`."
        )
    kinds = {file.suffix == ".spacy" for file in files}
    if len(kinds) > 1:
        raise ValueError(
            f"[corpora] path: found .spacy files and others in {path}, expected one kind, because "
            "every text would be read twice. Fix: point to one file or to a folder of its own."
        )
    return files


def shuffled(docs: Iterable[Doc], size: int, rng: random.Random) -> Iterator[Doc]:
    """Shuffle a stream through a buffer.

    docs (Iterable[Doc]): The stream.
    size (int): How many items are held; 0 or 1 leaves the order as it is.
    rng (random.Random): The source of chance.
    YIELDS (Doc): All of them, each drawn at random from the buffer.
    """
    buffer: list[Doc] = []
    for doc in docs:
        if len(buffer) < size:
            buffer.append(doc)
            continue
        if not buffer:
            yield doc
            continue
        place = rng.randrange(len(buffer))
        drawn, buffer[place] = buffer[place], doc
        yield drawn
    rng.shuffle(buffer)
    yield from buffer


class StreamingCorpus:
    """Reads a corpus from disk on every pass, see `create_streaming_corpus`."""

    def __init__(
        self,
        path: Path,
        *,
        options: ReadingOptions | None = None,
        language: str | None = None,
        shuffle_buffer: int = 0,
        seed: int = 0,
        limit: int = 0,
        max_length: int = 0,
        gold_preproc: bool = False,
        augmenter: Augmenter | None = None,
    ) -> None:
        self.path = Path(path)
        self.options = options or ReadingOptions()
        self.language = language
        self.shuffle_buffer = shuffle_buffer
        self.seed = seed
        self.limit = limit
        self.max_length = max_length
        self.gold_preproc = gold_preproc
        self.augmenter = augmenter
        self._n_passes = 0
        self._topics: list[str] | None = None

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Make one pass.

        nlp (Language): The pipeline, whose tokenizer makes the Docs.
        YIELDS (Example): The examples. Every pass shuffles in another way, and the same number of
            passes in the same way.
        RAISES (ValueError): If a file is malformed, naming file and line, or nothing is left.
        """
        rng = random.Random(f"{self.seed}/{self._n_passes}")
        self._n_passes += 1
        n_long = n_kept = 0
        for reference in shuffled(self._read(nlp, rng), self.shuffle_buffer, rng):
            if self.max_length and len(reference) > self.max_length:
                n_long += 1
                continue
            n_kept += 1
            example = self._example(nlp, reference)
            if self.augmenter is None:
                yield example
            else:
                yield from self.augmenter(nlp, example)
        if n_long and self._n_passes == 1:
            logger.warning(
                "%s: %d of %d texts have more than max_length = %d tokens and were left out.",
                *(self.path, n_long, n_long + n_kept, self.max_length),
            )
        if not n_kept:
            # spaCy would start one pass after the other for ever.
            raise ValueError(
                f"[corpora] {self.path}: found no text to train on ({n_long} longer than "
                f"max_length = {self.max_length}), expected at least one. Fix: raise max_length "
                "or fill the corpus."
            )

    def _read(self, nlp: Language, rng: random.Random) -> Iterator[Doc]:
        files = corpus_files(self.path)
        topics = self._all_topics(files)
        # With a limit, always the same texts are read.
        if self.shuffle_buffer and not self.limit:
            rng.shuffle(files)
        docs = (
            doc
            for file in files
            for doc in read_docs(
                file,
                vocab=nlp.vocab,
                language=self.language,
                options=self.options,
                topics=topics,
                make_doc=nlp.make_doc,
            )
            # As in spaCy's Corpus.
            if len(doc)
        )
        yield from islice(docs, self.limit or None)

    def _all_topics(self, files: list[Path]) -> list[str]:
        if self._topics is None:
            found: set[str] = set()
            for file in files:
                if self.options.labels or file.suffix == ".spacy":
                    continue
                known = SCHEMES.get(self.options.kind(file), OPEN).names
                found.update(known or topics_of(file, self.options))
            self._topics = list(self.options.labels) or order_labels(found)
        return self._topics

    def _example(self, nlp: Language, reference: Doc) -> Example:
        if self.gold_preproc or reference.has_unknown_spaces:
            predicted = bare_doc(nlp.vocab, reference)
        else:
            predicted = nlp.make_doc(reference.text)
        set_language(predicted, get_language(reference))
        return Example(predicted, reference)


def create_streaming_corpus(
    path: Path | None,
    format: str = "auto",
    labels: list[str] | None = None,
    language: str | None = None,
    shuffle_buffer: int = 0,
    seed: int = 0,
    limit: int = 0,
    max_length: int = 0,
    gold_preproc: bool = False,
    augmenter: Augmenter | None = None,
) -> Callable[[Language], Iterator[Example]]:
    """Registered as `dlfa_spacy.StreamingCorpus.v1`: a corpus that may be larger than memory.

    Files are read line by line, `.spacy` files one after the other. One call is one pass:
    `spacy train` begins the next one when a pass ends if `[training] max_epochs = -1`. With any
    other `max_epochs` it makes a list of all examples before it begins.

    path (Optional[Path]): A file, or a folder of files: .spacy, .jsonl, .tsv, .conllu, .iob2.
    format (str): As `dlfa convert --format`: `"auto"`, `"xnli"`, `"pawsx"`, `"tsv"`, `"jsonl"`,
        `"conllu"`, `"iob2"`. Ignored for .spacy.
    labels (Optional[List[str]]): All labels of labeled texts, in order. By default those of the
        format; else the files are read once beforehand to collect them.
    language (Optional[str]): Language of the texts, for `doc._.language`; of a file that names one
        for each text, the only one to read.
    shuffle_buffer (int): Docs in the shuffle buffer; 0 for the order of the files.
    seed (int): Seed of the shuffling.
    limit (int): Texts to read, from the beginning; 0 for all.
    max_length (int): Leave out texts of more tokens; 0 for no limit.
    gold_preproc (bool): Give the pipeline the gold tokens.
    augmenter (Optional[Callable[[Language, Example], Iterable[Example]]]): Changes or multiplies
        examples.
    CREATES (Callable[[Language], Iterator[Example]]): The reader.
    RAISES (ValueError): If an argument is wrong.

    Example:

        [corpora.train]
        @readers = "dlfa_spacy.StreamingCorpus.v1"
        path = "corpus/en/train.jsonl"
        labels = ["contradiction", "entailment", "neutral"]
        shuffle_buffer = 10000
    """
    if path is None:
        raise ValueError(
            "[corpora] path: found none, expected a file or a folder. Fix: give it in the config, "
            "or with --paths.train."
        )
    numbers = {
        "shuffle_buffer": shuffle_buffer,
        "limit": limit,
        "max_length": max_length,
    }
    for key, value in numbers.items():
        if value < 0:
            raise ValueError(
                f"[corpora] {key}: found {value}, expected 0 or more. Fix: correct the config."
            )
    return StreamingCorpus(
        Path(path),
        options=ReadingOptions(format=format, labels=tuple(labels or ())),
        language=language,
        shuffle_buffer=shuffle_buffer,
        seed=seed,
        limit=limit,
        max_length=max_length,
        gold_preproc=gold_preproc,
        augmenter=augmenter,
    )
