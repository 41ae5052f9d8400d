"""A trained pipeline goes on with some annotated texts, its encoder frozen."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import combine_score_weights

from ...checks import check_number
from ...corpora.docbin import write_docs
from ...corpora.folder import find_languages
from ...corpora.loading import read_docs
from ...corpora.subset import sample
from ...encoder.model import TransformerModel
from ...language import get_language
from ...pipeline.confidence import Confidence
from ...pipeline.training import OnStep, Trained, train_further
from .annotation import Annotation, annotation_of, check_labels, find_learners

# In meta.json: one item for each time.
META = "trained_on"
UNKNOWN = "unknown"
READER = "dlfa_spacy.StreamingCorpus.v1"


@dataclass(frozen=True)
class TrainOnSettings:
    """How a pipeline is trained further.

    components (Tuple[str, ...]): Those that learn; by default all that the texts have annotation
        for.
    epochs (int): Passes over the texts.
    learn_rate (float): At its peak. It rises over the first tenth of the steps and falls to 0.
    batch_size (int): Texts of a step.
    dropout (float): Of the components.
    seed (int): Of the order of the texts, of dropout, and of what is drawn to be mixed in.
    """

    components: tuple[str, ...] = ()
    epochs: int = 10
    learn_rate: float = 3e-4
    batch_size: int = 16
    dropout: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, self.epochs >= 1, "1 or more", 10)
        check_number("learn_rate", self.learn_rate, self.learn_rate > 0, "above 0", 3e-4)
        check_number("batch_size", self.batch_size, self.batch_size >= 1, "1 or more", 16)
        check_number("dropout", self.dropout, 0 <= self.dropout < 1, "0 to 1, without 1", 0.2)


@dataclass
class TrainedOn:
    """What came of it.

    trained (Trained): The training; its pipeline is the one that was given.
    learners (List[str]): Components that learned.
    texts (Dict[str, int]): Texts by language.
    mixed_in (Dict[str, int]): Those that were mixed in, likewise.
    uncalibrated (List[str]): Components whose confidences have to be fitted again.
    """

    trained: Trained
    learners: list[str]
    texts: dict[str, int]
    mixed_in: dict[str, int]
    uncalibrated: list[str]


def read_texts(nlp: Language, path: Path, split: str) -> list[Doc]:
    """Read annotated texts.

    nlp (Language): Whose vocab the Docs get.
    path (Path): A corpus file; or a folder with `<lang>/<split>.spacy`, of which that split alone
        is read.
    split (str): The split.
    RETURNS (List[Doc]): The texts that are not empty.
    RAISES (ValueError): There are none.
    """
    files: list[tuple[Path, str | None]] = [(path, None)]
    if not path.is_file():
        found = find_languages(path, (split,))
        files = [(file, one.language) for one in found for file in one.paths]
    docs = [
        doc
        for file, language in files
        for doc in read_docs(file, vocab=nlp.vocab, language=language, make_doc=nlp.make_doc)
        if len(doc)
    ]
    if not docs:
        raise ValueError(f"{path}: found no text. Expected at least one. Fix: another corpus.")
    return docs


def train_on(
    nlp: Language,
    docs: Sequence[Doc],
    settings: TrainOnSettings | None = None,
    *,
    beside: Sequence[Doc] = (),
    dev: Sequence[Doc] = (),
    gpu_id: int = -1,
    on_step: OnStep = lambda step, steps: None,
) -> TrainedOn:
    """Train the components of a pipeline further that some texts have annotation for.

    Nothing else changes: no weight of an encoder, no label, no other component, and not the config.
    A component learns from the texts that have what it learns from, and from no other.

    nlp (Language): The pipeline, which is changed.
    docs (Sequence[Doc]): The texts, of the pipeline's vocab.
    settings (Optional[TrainOnSettings]): How.
    beside (Sequence[Doc]): Texts of the language that the pipeline was first trained on: as many as
        there are `docs` are drawn and mixed in, so that it is not forgotten.
    dev (Sequence[Doc]): Texts that choose the best epoch; by default it is the last.
    gpu_id (int): GPU, or -1 for the CPU.
    on_step (Callable[[int, int], None]): Called with each step and their number.
    RETURNS (TrainedOn): What learned from what.
    RAISES (ValueError): No component can learn from the texts, or they have a label that it does
        not know.
    """
    settings = settings or TrainOnSettings()
    learners = find_learners(nlp, docs, settings.components)
    if beside:
        find_learners(nlp, beside, learners)
    mixed_in = list(sample(beside, len(beside), len(docs), settings.seed))
    texts = [*docs, *mixed_in]
    check_labels(nlp, texts, learners)
    original = nlp.config.copy()
    # What it scored before is not what it scores now.
    nlp.meta["performance"] = {}
    with tempfile.TemporaryDirectory() as folder, _own_texts_only(nlp, learners):
        paths = {"train": Path(folder) / "train.spacy", "dev": Path(folder) / "dev.spacy"}
        write_docs(texts, paths["train"])
        write_docs(dev or docs[:1], paths["dev"])
        nlp.config["corpora"] = {
            # The texts' own tokens: those of the pipeline may not be where the annotation is.
            name: {"@readers": READER, "path": str(path), "gold_preproc": True}
            for name, path in paths.items()
        }
        nlp.config["training"] = _training(nlp, learners, len(texts), settings, bool(dev))
        try:
            trained = train_further(nlp, Path(folder) / "best", gpu_id=gpu_id, on_step=on_step)
        finally:
            nlp.config = original
    result = TrainedOn(
        trained, learners, _by_language(docs), _by_language(mixed_in), _forget_scales(nlp, learners)
    )
    _note(nlp, result, settings)
    return result


def _training(
    nlp: Language, learners: Sequence[str], n_texts: int, settings: TrainOnSettings, with_dev: bool
) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The block [training]: the pipeline's own optimizer, and the rest
    for a short training of some components."""
    own = nlp.config["training"]
    per_epoch = -(-n_texts // settings.batch_size)
    steps = per_epoch * settings.epochs
    encoders = [
        name
        for name, pipe in nlp.pipeline
        if {*getattr(pipe, "listening_components", ())} & {*learners}
    ]
    weights = {name: nlp.get_pipe_meta(name).default_score_weights or {} for name in nlp.pipe_names}
    # None is for what is no number.
    ignored = {k: v and 0.0 for one in weights.values() for k, v in one.items()}
    chosen = combine_score_weights([weights[name] for name in learners])
    return {
        **own,
        "train_corpus": "corpora.train",
        "dev_corpus": "corpora.dev",
        "seed": settings.seed,
        "dropout": settings.dropout,
        "accumulate_gradient": 1,
        "max_epochs": 0,
        "max_steps": steps,
        "patience": 0,
        "eval_frequency": per_epoch if with_dev else steps + 1,
        "before_update": None,
        "frozen_components": [name for name in nlp.pipe_names if name not in learners],
        "annotating_components": [
            name for name in nlp.pipe_names if name in (*own["annotating_components"], *encoders)
        ],
        # Not those of a pipeline that was put together: they may be of any one of its components.
        "score_weights": {**ignored, **chosen},
        "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": settings.batch_size},
        "optimizer": {
            **own["optimizer"],
            # They would never reach what torch trains.
            "use_averages": False,
            "learn_rate": {
                "@schedules": "warmup_linear.v1",
                "initial_rate": settings.learn_rate,
                "warmup_steps": steps // 10,
                "total_steps": steps,
            },
        },
    }


@contextmanager
def _own_texts_only(nlp: Language, learners: Sequence[str]) -> Iterator[None]:
    """Have each component updated with those texts alone that have its annotation: to a
    `SentenceRecognizer` or a `SpanCategorizer` unset is the same as none. And freeze encoders that
    a component has for itself."""
    changed = []
    for name in learners:
        pipe: Any = nlp.get_pipe(name)
        annotation = annotation_of(pipe)
        assert annotation is not None
        for node in pipe.model.walk():
            if isinstance(node, TransformerModel):
                node.transformer.requires_grad_(False)
        # spaCy's transition systems have no room for it, and skip such texts themselves.
        if hasattr(pipe, "__dict__"):
            pipe.update = _filtered(pipe, annotation, pipe.update)
            changed.append(pipe)
    try:
        yield
    finally:
        for pipe in changed:
            del pipe.update


def _filtered(pipe: Any, annotation: Annotation, update: Callable[..., Any]) -> Callable[..., Any]:
    def updated(examples: Iterable[Example], **arguments: Any) -> Any:
        found = [eg for eg in examples if annotation.has(pipe, eg.reference)]
        return update(found, **arguments) if found else arguments.get("losses")

    return updated


def _forget_scales(nlp: Language, learners: Sequence[str]) -> list[str]:
    """Take back what was fitted to the scores of components that now give others.

    RETURNS (List[str]): The components that it was fitted for.
    """
    forgotten = []
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, Confidence):
            for name in learners:
                pipe.fitted_on.pop(name, None)
                if pipe.scales.pop(name, None):
                    forgotten.append(name)
    return forgotten


def _note(nlp: Language, result: TrainedOn, settings: TrainOnSettings) -> None:
    """Say in meta.json what the pipeline was trained on, and give it a version of its own."""
    done = nlp.meta.setdefault(META, [])
    done.append(
        {
            "components": result.learners,
            "texts": result.texts,
            "mixed_in": result.mixed_in,
            "epochs": settings.epochs,
            "learn_rate": settings.learn_rate,
            "seed": settings.seed,
        }
    )
    nlp.meta["version"] = f"{nlp.meta['version'].partition('+')[0]}+{len(done)}"


def _by_language(docs: Sequence[Doc]) -> dict[str, int]:
    return dict(sorted(Counter(get_language(doc) or UNKNOWN for doc in docs).items()))
