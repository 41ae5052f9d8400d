"""The layers that each token reads, component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from ..aggregators.contract import Aggregator
from ..analysis.gates import gate_values
from ..analysis.weights import token_means, token_weights
from ..encoder.batch import LayerBatch
from ..encoder.model import TransformerModel, encoder_in
from ..pipeline.encoders import find_encoder
from ..pipeline.inspection import evaluating, named_aggregators

# How much of each layer is read: learned for each token, learned once for all, the share of two
# layers that a gate decides for each token, or nothing that is learned.
TOKEN, ALL, GATE, FIXED = "token", "all", "gate", "fixed"
_DIGITS = 4


@dataclass(frozen=True)
class LayerReader:
    """A component that reads layers.

    component (str): Its name.
    module (Aggregator): How it reads them.
    encoder (TransformerModel): Whose layers they are.
    """

    component: str
    module: Aggregator
    encoder: TransformerModel

    @property
    def reads(self) -> list[int]:
        """RETURNS (List[int]): The layers, 0 for the embeddings."""
        return self.module.needs(self.encoder.num_layers)

    @property
    def weights(self) -> str:
        """RETURNS (str): What its weights depend on: "token", "all", "gate" or "fixed"."""
        if self.module.weighs_pieces:
            return TOKEN
        if self.module.layer_weights() is not None:
            return ALL
        # A gate that lets no lower layer through, as that of a control, has one layer.
        return GATE if self.module.has_gate and len(self.reads) > 1 else FIXED

    def info(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): It in plain values, with the weights that all texts share."""
        row = {
            "component": self.component,
            "aggregation": self.module.short_name or type(self.module).__name__,
            "num_layers": self.encoder.num_layers,
            "reads": self.reads,
            "weights": self.weights,
        }
        if self.weights == ALL:
            with evaluating(self.module):
                row["shared"] = _rounded(cast(Any, self.module.layer_weights()).cpu().numpy())
        return row

    def read(self, batch: LayerBatch) -> NDArray[numpy.float64]:
        """
        batch (LayerBatch): Some texts, with the layers that it reads.
        RETURNS (NDArray): `(n_tokens, S)`, how much of each layer each token reads; zeros for one
            without wordpieces. Of a gate the mean over its dimensions.
        """
        if self.weights == TOKEN:
            return token_weights(self.module, batch)
        gate = gate_values(self.module, batch.states, batch.lengths)
        lower = token_means(gate.weight.mean(dim=1, keepdim=True), batch)[:, 0]
        owned = numpy.asarray(batch.windows.align.lengths) > 0
        weights = numpy.zeros((len(lower), len(batch.states)))
        weights[:, cast(int, gate.layer)] = lower
        weights[:, -1] = (1 - lower) * owned  # eq. 2
        return weights


def layer_readers(nlp: Language) -> list[LayerReader]:
    """RETURNS (List[LayerReader]): The components of a pipeline that read layers, in order."""
    found = []
    for name, module in named_aggregators(nlp):
        model = cast(Model, nlp.get_pipe(name).model)  # type: ignore[attr-defined]
        encoder = encoder_in(model) or find_encoder(nlp)
        if encoder is not None:
            encoder.load()
            found.append(LayerReader(name, module, encoder))
    return found


def layers_by_token(
    readers: Sequence[LayerReader], docs: Sequence[Doc]
) -> list[list[dict[str, Any]]]:
    """
    readers (Sequence[LayerReader]): Of the pipeline.
    docs (Sequence[Doc]): Texts that it has annotated.
    RETURNS (List[List[Dict[str, Any]]]): For each text the components whose weights differ from
        token to token: "component", and "tokens", `(n_tokens, S)`.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in docs]
    full = [number for number, doc in enumerate(docs) if len(doc)]
    differ = [reader for reader in readers if reader.weights in (TOKEN, GATE)]
    if not full or not differ:
        return found
    cuts = numpy.cumsum([len(docs[number]) for number in full])[:-1]
    for encoder in {id(reader.encoder): reader.encoder for reader in differ}.values():
        own = [reader for reader in differ if reader.encoder is encoder]
        needed = sorted({layer for reader in own for layer in reader.reads})
        batch = encoder.read([docs[number] for number in full], needed)
        for reader in own:
            parts = numpy.split(reader.read(batch), cuts)
            for number, rows in zip(full, parts, strict=True):
                found[number].append({"component": reader.component, "tokens": _rounded(rows)})
    return found


def _rounded(values: NDArray) -> Any:
    return values.astype("float64").round(_DIGITS).tolist()
