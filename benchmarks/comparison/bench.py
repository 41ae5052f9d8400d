"""The settings of a benchmark, and what its measures share: texts, encoders, saved pipelines."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .curated import CuratedProcess
from .encoders import encoder_folder
from .pipelines import System, build
from .texts import Text, read_texts

MEASURES = (
    *("predict", "lengths", "train", "memory", "doc", "load", "size", "long", "many"),
    "profile",
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    words (Dict[str, int]): Words of the sentences to predict, by encoder.
    rounds (int): Timed rounds.
    kinds (Dict[str, int]): Words of the texts of each length.
    train_texts (int): Sentences in a training step.
    wordpieces (Tuple[int, ...]): Lengths of the documents.
    docs (int): How many short Docs go through one process.
    """

    words: dict[str, int]
    rounds: int
    kinds: dict[str, int]
    train_texts: int
    wordpieces: tuple[int, ...]
    docs: int


PRESETS = {
    "smallest": Sizes(
        words={"own": 30, "base": 30},
        rounds=1,
        kinds={"tweets": 24, "sentences": 30},
        train_texts=2,
        wordpieces=(100, 200),
        docs=40,
    ),
    "quick": Sizes(
        words={"own": 600, "base": 200},
        rounds=3,
        kinds={"tweets": 400, "sentences": 400, "articles": 1_000},
        train_texts=8,
        wordpieces=(1_000, 10_000),
        docs=4_000,
    ),
    "full": Sizes(
        words={"own": 1_500, "base": 1_500},
        rounds=5,
        kinds={"tweets": 600, "paragraphs": 600, "articles": 1_000, "books": 10_000},
        train_texts=32,
        wordpieces=(1_000, 10_000, 100_000),
        docs=10_000,
    ),
}


@dataclass(frozen=True)
class Bench:
    """What is measured, with what, and where.

    encoder (str): Folder of the encoder.
    corpus (Path): Folder of <lang>/test.conllu.
    languages (Tuple[str, ...]): Of the texts.
    sizes (Sizes): How much.
    threads (int): Of torch.
    folder (Path): For what is made on the way.
    curated_python (Optional[Path]): Python of an environment with spacy-curated-transformers.
    gpu_id (int): The GPU; -1 for the CPU.
    label (str): The name of a profile.
    """

    encoder: str
    corpus: Path
    languages: tuple[str, ...]
    sizes: Sizes
    threads: int
    folder: Path
    curated_python: Path | None = None
    gpu_id: int = -1
    label: str = "now"

    def __post_init__(self) -> None:
        if self.curated_python is not None and not self.curated_python.is_file():
            raise ValueError(
                f"--curated-python {self.curated_python}: there is no such file. Expected the "
                "Python of an environment with spacy-curated-transformers 0.3.1. Fix: make it as "
                "docs/benchmarks.md says, or leave the option out."
            )

    def encoder_folder(self, shape: str) -> str:
        """RETURNS (str): Folder of an encoder, see `encoders`."""
        return encoder_folder(shape, self.encoder, self.folder)

    def texts(self, kind: str, words: int) -> list[Text]:
        """RETURNS (List[Text]): See `read_texts`."""
        return list(_texts(self.corpus, self.languages, kind, words))

    def sentences(self, shape: str) -> list[Text]:
        """RETURNS (List[Text]): The sentences to predict."""
        return self.texts("sentences", self.sizes.words[shape])

    def saved(self, shape: str, system: System, head: str = "tagger") -> Path:
        """RETURNS (Path): A pipeline of that kind on disk, made when first asked for."""
        name = "".join(c if c.isalnum() else "-" for c in f"{shape}-{system.name}-{head}")
        target = self.folder / name
        if not target.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            build(self.encoder_folder(shape), system, head).to_disk(target)
        return target

    def child_settings(self, pipeline: Path) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What every process needs, see `load_pipeline`."""
        return {"pipeline": str(pipeline), "threads": self.threads, "gpu_id": self.gpu_id}

    @contextmanager
    def curated(self, shape: str, texts: list[Text]) -> Iterator[CuratedProcess | None]:
        """YIELDS (Optional[CuratedProcess]): spacy-curated-transformers; None without its
        environment."""
        if self.curated_python is None:
            yield None
            return
        folder = self.encoder_folder(shape)
        with CuratedProcess(self.curated_python, folder, texts, self.threads) as process:
            yield process


@functools.lru_cache(maxsize=32)
def _texts(corpus: Path, languages: tuple[str, ...], kind: str, words: int) -> tuple[Text, ...]:
    return tuple(read_texts(corpus, languages, kind, words))


def resized(sizes: Sizes, rounds: int | None, wordpieces: int | None, docs: int | None) -> Sizes:
    """RETURNS (Sizes): A preset with another number of rounds, or with longer documents, or more of
    them."""
    if rounds is not None:
        sizes = replace(sizes, rounds=rounds)
    if wordpieces is not None:
        lengths = sorted({*(n for n in sizes.wordpieces if n < wordpieces), wordpieces})
        sizes = replace(sizes, wordpieces=tuple(lengths))
    if docs is not None:
        sizes = replace(sizes, docs=docs)
    return sizes
