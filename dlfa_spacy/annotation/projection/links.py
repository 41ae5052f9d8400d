"""Links between words by an encoder that reads both languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import reduce_mean

from ...aggregators.layer_index import resolve_layer
from ...layers.pooling import pool_pieces
from ...parallel import Link
from ...parallel.similarity import Floats, link_by_similarity
from ...pipeline.encoders import encoder_of


class EncoderLinks:
    """Links words by one layer of an encoder.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    layer (Optional[int]): 0 = embeddings, negative numbers count from the end. By default two
        thirds of the way up, H^8 of 12.

    Source: Jalili Sabet et al. 2020 (SimAlign), which takes H^8 of BERT and XLM-R.
    """

    def __init__(self, nlp: Language, layer: int | None = None) -> None:
        self.encoder = encoder_of(nlp)
        depth = self.encoder.num_layers
        self.layer = round(2 * depth / 3) if layer is None else resolve_layer(layer, depth, "layer")
        self._pooling: Any = pool_pieces(reduce_mean())

    def __call__(self, foreign: Sequence[Doc], english: Sequence[Doc]) -> list[list[Link]]:
        """Link the words of some pairs.

        foreign, english (Sequence[Doc]): The two sides; token i is word i.
        RETURNS (List[List[Tuple[int, int]]]): The links of each pair.
        """
        sides = zip(self._vectors(foreign), self._vectors(english), strict=True)
        return [link_by_similarity(source, target) for source, target in sides]

    def _vectors(self, docs: Sequence[Doc]) -> list[Floats]:
        """RETURNS (List[Floats]): `(n_tokens, E)` for each Doc."""
        batch = self.encoder.read(docs, [self.layer])
        pooled = self._pooling.predict(batch.with_vectors(batch.states[self.layer]))
        return [self._pooling.ops.to_numpy(vectors) for vectors in pooled]
