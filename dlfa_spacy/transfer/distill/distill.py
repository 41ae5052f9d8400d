"""A teacher labels texts, a student trains on them."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

from ...checks import check_choice, check_number
from ...files.writing import replacing, write_text
from ...pipeline.resume import TrainingState
from ...pipeline.sources import open_pipeline
from ...pipeline.training import Trained, train
from .labelled_texts import Labelled, Texts, label_texts
from .soft_labels import kind_of, label_names
from .soft_loss import matching_rate, train_on_soft_labels

SOFT, HARD, SMOOTHED = "soft", "hard", "smoothed"
LABELS = "labels"
CHECKPOINT = "checkpoint"
STATE = "training.state"
BEST = "model-best"


@dataclass(frozen=True)
class DistillSettings:
    """How a student is trained.

    labels (str): "soft", the teacher's probabilities (MONOX-KD); "hard", what it annotates
        (MONOX-PL); "smoothed", the control: what it annotates, smoothed to the same mean entropy.
    temperature (float): T of the teacher's probabilities alone, see `soften`.
    gold (float): Weight of the texts' own annotation, from 0 to 1.
    components (Tuple[str, ...]): Those of the student that learn from the teacher; by default all
        that both have. One without scores by label (ner, parser) always learns what is annotated.
    """

    labels: str = SOFT
    temperature: float = 1.0
    gold: float = 0.0
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("labels", self.labels, (SOFT, HARD, SMOOTHED))
        check_number("temperature", self.temperature, self.temperature > 0, "a number above 0", 1)
        check_number("gold", self.gold, 0 <= self.gold <= 1, "a share from 0 to 1", 0)


@dataclass
class Distilled:
    """What came of it.

    trained (Trained): The student.
    soft (List[str]): Components that learned from probabilities.
    entropies (Dict[str, float]): By component, mean entropy of the teacher's rows, in nats.
    smoothing (Dict[str, float]): By component, with "smoothed": how much was spread.
    """

    trained: Trained
    soft: list[str]
    entropies: dict[str, float]
    smoothing: dict[str, float]


def distill(
    teacher: str,
    config: Path,
    out: Path,
    texts: Texts,
    settings: DistillSettings | None = None,
    *,
    dev: Path | None = None,
    overrides: dict[str, Any] | None = None,
    gpu_id: int = -1,
    resume: bool = True,
    on_text: Callable[[int], None] = lambda n: None,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
) -> Distilled:
    """Train a student on what a teacher says of texts. It may have another encoder, another
    tokenizer, fewer layers, or other components beside. The result loads with the stock factories.

    The teacher reads the texts once. A call that was killed goes on, labels by parts of
    2,000 texts, training at its last evaluation that was a minute after another.

    teacher (str): Folder or package of a trained pipeline.
    config (Path): Training config of the student, as for `spacy train`.
    out (Path): Folder: `model-best`, and the labels.
    texts (Texts): The texts. Not those that are scored in the end.
    settings (Optional[DistillSettings]): How.
    dev (Optional[Path]): What checkpoints are chosen on, instead of `paths.dev` of the config.
    overrides (Optional[Dict[str, Any]]): Values of the config, by dotted key.
    gpu_id (int): GPU, or -1 for the CPU.
    resume (bool): Go on with what is in `out`; else what is there is removed.
    on_text (Callable[[int], None]): Told how many texts were labelled, now and then.
    on_step (Callable[[int, int], None]): Told each step and their number.
    RETURNS (Distilled): The student.
    RAISES (ValueError): Teacher and student have no component in common, or a setting does not fit.

    Source: Chi et al. 2020 (Can Monolingual Pretrained Models Help Cross-Lingual Classification?),
    MONOX; the temperature on the teacher alone is that of a public re-implementation. Taggers,
    spans and entities are this project's.
    """
    settings = settings or DistillSettings()
    if not resume:
        for name in (LABELS, CHECKPOINT):
            shutil.rmtree(out / name, ignore_errors=True)
        (out / STATE).unlink(missing_ok=True)
    made = load_config(config, overrides=overrides or {}, interpolate=False)
    if dev is not None:
        made["paths"]["dev"] = str(dev)
    master, blank = open_pipeline(teacher), load_model_from_config(made, auto_fill=True)
    common = _common(master, blank, settings.components)
    soft = [name for name in common if settings.labels != HARD and kind_of(master.get_pipe(name))]
    labelled = label_texts(
        master,
        blank,
        texts,
        out / LABELS,
        soft,
        settings.temperature,
        bool(settings.gold),
        _identity(master),
        on_text,
    )
    # As `spacy init fill-config` would fill it.
    student = _with_labels(blank.config, master, common, labelled)
    smoothing = _smoothing(master, settings, labelled)
    key = hashlib.sha256(f"{student.to_str()} {settings}".encode()).hexdigest()
    del master, blank

    def prepare(nlp: Language) -> None:
        train_on_soft_labels(nlp, soft, settings.gold, smoothing)

    trained = train(
        student,
        out / CHECKPOINT,
        gpu_id=gpu_id,
        on_step=on_step,
        state=TrainingState(out / STATE, key),
        prepare=prepare,
    )
    # Where the labels lay, and what was in them, is no concern of who loads it.
    trained.nlp.config["paths"].update({"train": None, "dev": None})
    for name in common:
        trained.nlp.config["initialize"]["components"].pop(name, None)
    with replacing(out / BEST) as temporary:
        trained.nlp.to_disk(temporary)
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    return Distilled(trained, soft, labelled.entropies, smoothing)


def _common(teacher: Language, student: Language, chosen: Sequence[str]) -> list[str]:
    """RETURNS (List[str]): Components that both have and that can be trained."""
    both = [
        name
        for name in student.pipe_names
        if name in teacher.pipe_names
        and hasattr(student.get_pipe(name), "get_loss")
        and type(student.get_pipe(name)) is type(teacher.get_pipe(name))
        and hasattr(teacher.get_pipe(name), "label_data")
        and bool(getattr(teacher.get_pipe(name), "labels", ()))
    ]
    found = [name for name in chosen or both if name in both]
    if not found or len(found) < len(chosen):
        raise ValueError(
            f"components = {', '.join(chosen) or 'all'}: teacher {teacher.pipe_names} and student "
            f"{student.pipe_names} have {both} in common. Expected the same name and the same kind "
            "of component in both. Fix: name the student's component as the teacher's."
        )
    return found


def _with_labels(
    config: Config, teacher: Language, names: Sequence[str], labelled: Labelled
) -> Config:
    """RETURNS (Config): To train on labelled texts, with the teacher's labels in its order."""
    made = copy.deepcopy(config)
    made["paths"]["train"] = str(labelled.parts[0].parent)
    made["corpora"]["train"].update(
        {
            "@readers": "dlfa_spacy.StreamingCorpus.v1",
            "path": "${paths.train}",
            # The student reads the tokens that the teacher read.
            "gold_preproc": True,
        }
    )
    components = made.setdefault("initialize", {}).setdefault("components", {})
    for name in names:
        pipe: Any = teacher.get_pipe(name)
        path = labelled.parts[0].parent / f"{name}.json"
        write_text(path, json.dumps(pipe.label_data))
        reader = {"@readers": "spacy.read_labels.v1", "path": str(path), "require": True}
        components.setdefault(name, {})["labels"] = reader
    return made


def _smoothing(
    teacher: Language, settings: DistillSettings, labelled: Labelled
) -> dict[str, float]:
    if settings.labels != SMOOTHED:
        return {}
    found = {}
    for name, mean in labelled.entropies.items():
        pipe = teacher.get_pipe(name)
        found[name] = matching_rate(mean, len(label_names(pipe)), str(kind_of(pipe)))
    return found


def _identity(nlp: Language) -> str:
    """RETURNS (str): A name for a pipeline and its weights."""
    seen = hashlib.sha256(nlp.config.to_str().encode())
    for _, pipe in nlp.pipeline:
        if hasattr(pipe, "to_bytes"):
            seen.update(pipe.to_bytes(exclude=["vocab"]))
    return seen.hexdigest()
