"""An encoder aligned with parallel text: from the text to the folder that comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..checks import check_choice, check_number
from ..encoder.segment.pieces import PieceTokenizer
from ..encoder.storage.int4_embedding import has_packed_embeddings
from ..encoder.storage.loading import load_encoder, max_wordpieces
from ..metrics.retrieval import retrieval
from ..parallel import ParallelCorpus, SentencePair
from ..parallel.corpus import LONG_TEXTS
from ..parallel.linked_text import linked_corpus
from .methods import create_method
from .methods.mlm import TiedHead
from .training.batch import Collator
from .training.examples import Example, make_examples
from .training.method import Method
from .training.order import seeded
from .training.result import save_result
from .training.settings import TrainSettings
from .training.train import Evaluate, Row, train
from .training.vectors import last_layer, sentence_means

# Held-out pairs encoded at once.
BATCH = 32


@dataclass(frozen=True)
class TextSettings:
    """What is aligned with.

    parallel (Path): A file of parallel text, or a folder of files, <xx>-en.*.
    languages (Sequence[str]): Only these; empty for all.
    limit (int): Pairs per language; 0 for all.
    dictionaries (str): Folder of <xx>-en.txt (MUSE) to link words; "" induces them from the text.
    max_length (int): Wordpieces of a side, special tokens included.
    long_texts (str): Longer ones: "keep" (and cut the end), "window" (cut between links), "drop".
    held_out (int): Pairs per language that are not trained on; never more than a fifth.
    """

    parallel: Path
    languages: Sequence[str] = ()
    limit: int = 0
    dictionaries: str = ""
    max_length: int = 128
    long_texts: str = "keep"
    held_out: int = 100

    def __post_init__(self) -> None:
        check_choice("long_texts", self.long_texts, LONG_TEXTS)
        for name in ("limit", "held_out"):
            check_number(name, getattr(self, name), getattr(self, name) >= 0, "0 or more", 0)
        check_number("max_length", self.max_length, self.max_length >= 4, "4 or more", 128)

    def read(
        self, pieces: PieceTokenizer, max_length: int
    ) -> tuple[list[SentencePair], ParallelCorpus]:
        """
        pieces (PieceTokenizer): The encoder's.
        max_length (int): What the encoder reads at once.
        RETURNS (Tuple[List[SentencePair], ParallelCorpus]): The pairs, and where they are from.
        """
        corpus = linked_corpus(
            self.parallel,
            list(self.languages) or None,
            self.dictionaries,
            self.limit,
            induced_from=self.limit,
            tokenizer=pieces,
            max_length=max_length,
            long_texts=self.long_texts,
        )
        return list(corpus), corpus


class Alignment:
    """A method around an encoder, and the text that it is trained with.

    method (str): One of `METHODS`.
    encoder (str): Folder or Hub name of the encoder.
    changes (Dict[str, Any]): Settings of the method other than the paper's.
    text (TextSettings): The text.
    training (TrainSettings): Of the loop.
    device (torch.device): Where it trains.

    counts (Dict[str, Dict[str, int]]): What was met in the text, by language.
    kept (List[SentencePair]): The pairs that are not trained on.
    before, after (Dict[str, float]): Retrieval on them, see `held_out_retrieval`.
    """

    def __init__(
        self,
        method: str,
        encoder: str,
        changes: dict[str, Any],
        text: TextSettings,
        training: TrainSettings,
        device: torch.device,
    ):
        self.name = method
        self.encoder = encoder
        self.training = training
        torch.manual_seed(training.seed)
        objects = load_encoder(encoder, {}, {})
        pieces = PieceTokenizer(objects.tokenizer)
        longest = max_wordpieces(objects.transformer, objects.tokenizer)
        length = min(text.max_length, longest)
        pairs, corpus = text.read(pieces, length)
        self.counts = _counts(corpus)
        to_train, self.kept = split(pairs, text.held_out)
        room = length - pieces.frames.single_size
        self.examples, held_out = (
            make_examples(part, pieces, room) for part in (to_train, self.kept)
        )
        languages = sorted({example.language for example in self.examples})
        self.method = create_method(
            method,
            objects.transformer,
            objects.tokenizer,
            changes,
            languages,
            encoder,
            corpus.dictionaries,
        )
        self.method.to(device)
        self.collate = Collator(pieces, longest)
        self.evaluate = held_out_retrieval(held_out, self.collate) if held_out else None
        self.before = self._look()
        self.after: Row = {}
        self.rows: list[Row] = []

    @property
    def notes(self) -> list[str]:
        """RETURNS (List[str]): What somebody should know of the encoder before it trains."""
        return notes(self.method)

    def train(self, checkpoint: Path, report: Callable[[Row], None] | None = None) -> None:
        """Train the encoder.

        checkpoint (Path): See `train`.
        report (Optional[Callable]): Called with each row.
        """
        self.rows = train(
            self.method,
            self.examples,
            self.collate,
            self.training,
            checkpoint,
            self.evaluate,
            report,
        )
        self.after = self._look()

    def save(self, out: Path) -> None:
        """Write the aligned encoder, and how it came about.

        out (Path): The folder.
        """
        save_result(
            self.method,
            out,
            {
                "method": self.name,
                "encoder": Path(self.encoder).name,
                "settings": asdict(self.method.settings),
                "training": asdict(self.training),
                "data": {
                    "pairs": len(self.examples),
                    "held_out": len(self.kept),
                    "languages": self.counts,
                },
                "retrieval": {"before": self.before, "after": self.after},
                "losses": self.rows,
            },
        )

    def _look(self) -> Row:
        self.method.eval()
        with torch.no_grad():
            return dict(self.evaluate(self.method)) if self.evaluate else {}


def notes(method: Method) -> list[str]:
    """RETURNS (List[str]): What somebody should know of the encoder before it trains."""
    found = []
    if has_packed_embeddings(method.encoder):
        found.append("The encoder's vocabulary is in four bits: its rows are not trained.")
    if any(isinstance(module, TiedHead) for module in method.modules()):
        found.append(
            "The encoder has no head that guesses masked wordpieces: one that is tied to its "
            "vocabulary is trained along, from the first step on."
        )
    return found


def split(
    pairs: Sequence[SentencePair], held_out: int
) -> tuple[list[SentencePair], list[SentencePair]]:
    """Hold some pairs out.

    pairs (Sequence[SentencePair]): Of any languages.
    held_out (int): The last ones of each language; never more than a fifth.
    RETURNS (Tuple[List[SentencePair], List[SentencePair]]): To train on, and held out.
    """
    by_language: dict[str, list[SentencePair]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, []).append(pair)
    text: list[SentencePair] = []
    kept: list[SentencePair] = []
    for found in by_language.values():
        cut = len(found) - min(held_out, len(found) // 5)
        text.extend(found[:cut])
        kept.extend(found[cut:])
    # An English sentence that is held out for one language is not trained on for another.
    english = {pair.target_text for pair in kept}
    return [pair for pair in text if pair.target_text not in english], kept


def held_out_retrieval(examples: Sequence[Example], collate: Collator) -> Evaluate:
    """Evaluation on held-out text: CSLS retrieval of sentences by the mean of the last layer.

    examples (Sequence[Example]): Of any languages.
    collate (Collator): Makes batches.
    RETURNS (Evaluate): From a method to `score`, the mean over languages and both directions, and
        the score of each language. What a method has behind the encoder counts.
    """
    by_language: dict[str, list[Example]] = {}
    for example in examples:
        by_language.setdefault(example.language, []).append(example)

    def evaluate(method: Method) -> Row:
        device = next(method.parameters()).device
        scores = {}
        for language, found in sorted(by_language.items()):
            sides: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
            for i in range(0, len(found), BATCH):
                batch = collate(found[i : i + BATCH], seeded(0, i)).to(device)
                for rows, side in zip(sides, (batch.source, batch.target), strict=True):
                    rows.append(sentence_means(last_layer(method.encoder, side), side.mask))
            foreign, english = torch.cat(sides[0]), torch.cat(sides[1])
            foreign = method.map(foreign, [language] * len(foreign))
            result = retrieval(foreign.cpu().numpy(), english.cpu().numpy())
            scores[language] = (result.csls_forward + result.csls_backward) / 2
        return {"score": sum(scores.values()) / len(scores), **scores}

    return evaluate


def _counts(corpus: ParallelCorpus) -> dict[str, dict[str, int]]:
    """RETURNS (Dict[str, Dict[str, int]]): What was met, by language: see `Counts`, and of its
    dictionary the entries, and those left out because they come twice or are two equal words."""
    counts = {name: counts.as_dict() for name, counts in sorted(corpus.counts.items())}
    for name, known in corpus.dictionaries.items():
        if name in counts:
            counts[name]["dictionary"] = len(known)
            counts[name]["dictionary_duplicates"] = known.duplicates
            counts[name]["dictionary_identical"] = known.identical
    return counts
