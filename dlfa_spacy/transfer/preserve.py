"""Fine-tuning that keeps what an encoder could do before (continual learning)."""

import functools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy
import torch
from spacy.language import Language
from torch import Tensor
from torch.nn import Parameter

from ..alignment.methods.create import create_method
from ..alignment.training.method import Method
from ..checks import check_choice, check_number
from ..encoder.model import TransformerModel
from ..pipeline.encoders import encoder_of
from .projection import gem_weights
from .reference import SECTION, PairSource, Reference

PROJECT, SUM = "project", "sum"
# Reference -> method, and settings that depend on no argument.
REFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "mlm": ("mlm", {}),
    "retrieval": ("labse", {"margin": 0.0, "pool": "mean"}),
    "realign": ("realign", {}),
}
Weights = list[tuple[str, Parameter]]


@dataclass
class Preserve:
    """The callback that `build_preserve_v1` makes.

    references (List[Reference]): The losses that shall not rise.
    mode (str): "project" or "sum".
    coefficient (float): With "sum": weight of each reference.
    margin (float): With "project": see `gem_weights`.
    every (int): Steps between two batches of the references.
    l2 (float): Weight of the squared distance from the initial weights.
    embeddings (bool): Whether the encoder's embeddings take part.
    log (str): A JSONL file, a line for each step with a batch; "" for none.
    component (str): Name of the encoder's component.

    steps, violated (int): Steps so far, and how many of them the references changed.
    """

    references: list[Reference]
    mode: str
    coefficient: float
    margin: float
    every: int
    l2: float
    embeddings: bool
    log: str
    component: str
    steps: int = 0
    violated: int = 0
    _gradients: list[dict[str, Tensor]] = field(default_factory=list, repr=False)
    _initial: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # Copies of the encoder's weights belong to one process.
        return {**self.__dict__, "_gradients": [], "_initial": {}}

    def __call__(self, nlp: Language, progress: dict[str, Any]) -> None:
        """Compute the references' gradients, and have them used before the next step.

        nlp (Language): The pipeline, about to be updated.
        progress (Dict[str, Any]): "step", from 0.
        RAISES (ValueError): The component has no dlfa_spacy encoder, or a loss is not a number.
        """
        model = encoder_of(nlp, self.component, SECTION)
        weights = self._weights(model)
        if self.l2 and not self._initial:
            self._initial = {name: p.detach().clone() for name, p in weights}
        number, rest = divmod(progress["step"], self.every)
        if not rest:
            self._gradients = [self._gradient(r, model, weights, number) for r in self.references]
        logged = None if rest else progress["step"]
        model.shim.before_step = functools.partial(self._change, nlp, model, logged)

    def _gradient(
        self, reference: Reference, model: TransformerModel, weights: Weights, number: int
    ) -> dict[str, Tensor]:
        """RETURNS (Dict[str, Tensor]): The gradient of one batch by the name of the weight; none is
        left in the weights."""
        reference.backward(model, number)
        found = {}
        for name, parameter in weights:
            if parameter.grad is not None:
                found[name] = parameter.grad.detach().clone()
        for parameter in model.packed.parameters():
            parameter.grad = None
        return found

    def _change(self, nlp: Language, model: TransformerModel, logged: int | None) -> None:
        """Called with the gradients of all components in the encoder's weights. The step is logged
        if the references were computed for it."""
        weights = [(name, p) for name, p in self._weights(model) if p.grad is not None]
        cosines, v = self._weigh(weights)
        with torch.no_grad():
            for name, parameter in weights:
                gradient: Any = parameter.grad
                for share, reference in zip(v, self._gradients, strict=True):
                    if share and name in reference:
                        gradient += share * reference[name]
                if self.l2:
                    gradient += 2 * self.l2 * (parameter - self._initial[name])
        self.steps += 1
        self.violated += min(cosines, default=0.0) < 0
        self._record(nlp, cosines, logged)

    def _weigh(self, weights: Weights) -> tuple[list[float], Sequence[float]]:
        """RETURNS (Tuple[List[float], Sequence[float]]): The cosine of each reference with the
        task's gradient, and how much of it is added."""
        task = {name: cast(Tensor, parameter.grad) for name, parameter in weights}
        all_of: list[dict[str, Tensor]] = [task, *self._gradients]
        table = numpy.zeros((len(all_of), len(all_of)))
        for i, a in enumerate(all_of):
            for j, b in enumerate(all_of[: i + 1]):
                table[i, j] = table[j, i] = _dot(a, b)
        norms = numpy.sqrt(table.diagonal())
        cosines = [float(x) for x in table[0, 1:] / numpy.maximum(norms[0] * norms[1:], 1e-300)]
        if self.mode == SUM:
            return cosines, [self.coefficient] * len(self._gradients)
        if not numpy.isfinite(table).all():
            # Out of the range of half floats: the step is skipped, too.
            return cosines, [0.0] * len(self._gradients)
        return cosines, list(gem_weights(table[1:, 1:], table[0, 1:], self.margin))

    def _weights(self, model: TransformerModel) -> Weights:
        rows = {id(p) for p in model.transformer.get_input_embeddings().parameters()}
        return [
            (name, parameter)
            for name, parameter in model.packed.named_parameters()
            if parameter.requires_grad and (self.embeddings or id(parameter) not in rows)
        ]

    def _record(self, nlp: Language, cosines: Sequence[float], step: int | None) -> None:
        nlp.meta["preserve"] = {
            "mode": self.mode,
            "violated": self.violated / self.steps,
            "losses": {reference.name: reference.loss for reference in self.references},
        }
        if self.log and step is not None:
            row: dict[str, Any] = {"step": step}
            for reference, cosine in zip(self.references, cosines, strict=True):
                row[f"loss_{reference.name}"] = reference.loss
                row[f"cosine_{reference.name}"] = cosine
            row["violated"] = self.violated / self.steps
            path = Path(self.log)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if self.steps > 1 else "w", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def build_preserve_v1(
    parallel: str | None = None,
    references: list[str] = ["retrieval"],  # noqa: B006  (spaCy reads defaults from the signature)
    mode: str = "project",
    coefficient: float = 0.1,
    margin: float = 0.0,
    l2: float = 0.0,
    dictionaries: str | None = None,
    languages: list[str] | None = None,
    limit: int = 0,
    every: int = 1,
    batch_size: int = 16,
    max_length: int = 96,
    embeddings: bool = True,
    log: str = "",
    seed: int = 0,
    component: str = "transformer",
) -> Callable[[Language, dict[str, Any]], None]:
    """Fine-tune without forgetting: before each step the gradient of the components is changed so
    that it does not raise the losses of references, tasks that the encoder could do before.

    With Adam a step is not the gradient, so that nothing is guaranteed: look at `log`, and at the
    share of steps that were changed at all, in the pipeline's `meta.json`. A reference costs a
    batch through the encoder, and a copy of its gradient, at each step.

    parallel (Optional[str]): Parallel text of the references, a file or a folder, as `dlfa align`
        reads it. Not what is scored afterwards.
    references (List[str]): `"mlm"`, masked words in both languages, for an encoder that comes with
        its head; `"retrieval"`, InfoNCE of sentence means; `"realign"`, as `dlfa_spacy.realign.v1`.
        None with `l2` alone.
    mode (str): `"project"`: the nearest gradient that points away from no reference's (GEM).
        `"sum"`: all gradients are added, multi-task training.
    coefficient (float): With `"sum"`: weight of each reference.
    margin (float): With `"project"`: the least share of each reference in a step that is changed.
        The authors' public code of GEM has 0.5, which also pushes where nothing was violated.
    l2 (float): Weight of the squared distance from the initial weights, in either mode.
    dictionaries (Optional[str]): Folder of MUSE files (`<xx>-en.txt`) to link words with; null
        induces them from the text. Of use to `"realign"`.
    languages (Optional[List[str]]): Only these; null for all.
    limit (int): Pairs per language; 0 for all.
    every (int): Steps between two batches of the references; between them the last one serves.
    batch_size (int): Pairs per batch.
    max_length (int): Wordpieces of a side, special tokens included.
    embeddings (bool): Whether the rows of wordpieces take part: of mBERT more than half of all
        weights.
    log (str): A JSONL file for losses, cosines with the task's gradient, and the share of steps
        that were changed.
    seed (int): Of the order of the pairs, and of masks.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].
    RAISES (ValueError): A setting is out of range.

    Source: Liu et al. 2021 (Preserving Cross-Linguality of Pre-trained Models via Continual
    Learning); Lopez-Paz & Ranzato 2017 (GEM).

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.preserve.v1"
    parallel = "assets/parallel"
    references = ["retrieval"]
    ```
    """
    check_choice(f"{SECTION} mode", mode, (PROJECT, SUM))
    for name in references:
        check_choice(f"{SECTION} references", name, tuple(REFERENCES))
    for name, least in (("every", every), ("batch_size", batch_size)):
        check_number(f"{SECTION} {name}", least, least >= 1, "1 or more", 1)
    for name, value in (("coefficient", coefficient), ("margin", margin), ("l2", l2)):
        check_number(f"{SECTION} {name}", value, 0 <= value < math.inf, "0 or more", 0.0)
    if bool(references) != (parallel is not None) or not (references or l2):
        raise ValueError(
            f"{SECTION} parallel = {parallel!r}, references = {references}, l2 = {l2}: expected "
            "references and text for them, or neither and an l2 above 0. Fix: parallel = a file or "
            "folder of translations."
        )
    pairs = PairSource(parallel or "", dictionaries, languages, limit, max_length)
    losses = [
        Reference(name, functools.partial(_method, name=name), pairs, batch_size, seed)
        for name in references
    ]
    return Preserve(losses, mode, coefficient, margin, every, l2, embeddings, log, component)


def _method(model: TransformerModel, name: str) -> Method:
    method, settings = REFERENCES[name]
    where = str(model.attrs.get("name") or "") or None
    return create_method(method, model.transformer, model.tokenizer, settings, name=where)


def _dot(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """RETURNS (float): Product of two gradients, of the weights that both have."""
    found = [(a[name] * b[name]).sum(dtype=torch.float64) for name in a.keys() & b.keys()]
    return float(sum(found))
