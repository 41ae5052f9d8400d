"""Look into the layers of a trained pipeline.

    python examples/layers.py xx_dlfa_ner

Two questions that decide what transfers: in which layers are a sentence and its translation alike,
and how much of each layer do the components use?
"""

from typing import Annotated

import numpy
import spacy
import typer
from spacy.language import Language

from dlfa_spacy import layer_states, layer_weights

PAIRS = [
    ("The children are playing in the garden.", "Die Kinder spielen im Garten."),
    ("She bought two books yesterday.", "Ella compró dos libros ayer."),
    ("The train to Paris is late.", "Le train pour Paris est en retard."),
    ("We drink coffee in the morning.", "Мы пьём кофе по утрам."),
]


def sentence_vectors(nlp: Language, texts: list[str]) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): `(S, n_texts, E)`, the mean of the tokens in every layer."""
    docs = [nlp.make_doc(text) for text in texts]
    # With `nlp` the encoder is asked. Without it the layers must still lie on the Docs, and
    # shipped pipelines clean them away.
    states = layer_states(docs, nlp=nlp)  # (S, n_tokens, E) a Doc
    return numpy.stack([numpy.asarray(doc).mean(axis=1) for doc in states], axis=1)


def similarities(nlp: Language, pairs: list[tuple[str, str]]) -> numpy.ndarray:
    """How alike translations are, and how alike any two texts of these languages.

    RETURNS (numpy.ndarray): `(2, S)`: cosine of translations, cosine of the other pairs. Raw
        cosines say little: in some layers all texts are alike. The difference is what counts.
    """
    left = sentence_vectors(nlp, [a for a, _ in pairs])
    right = sentence_vectors(nlp, [b for _, b in pairs])
    left /= numpy.linalg.norm(left, axis=-1, keepdims=True)
    right /= numpy.linalg.norm(right, axis=-1, keepdims=True)
    cosines = left @ right.transpose(0, 2, 1)  # (S, n, n)
    same = numpy.eye(len(pairs), dtype=bool)
    return numpy.stack([cosines[:, same].mean(axis=1), cosines[:, ~same].mean(axis=1)])


def main(
    model: Annotated[
        str, typer.Argument(help="A pipeline with a dlfa_spacy encoder: folder or package.")
    ] = "xx_dlfa_ner",
) -> None:
    """Print the similarity of translations in every layer, and the weight of every layer."""
    nlp = spacy.load(model)
    print("layer  translations  other pairs  difference")
    for layer, (same, other) in enumerate(similarities(nlp, PAIRS).T):
        print(f"{layer:5}  {same:12.3f}  {other:11.3f}  {same - other:10.3f}")

    # Only attention and the scalar mix have a weight for each layer. Those of attention depend on
    # the text, so they are averaged over some.
    docs = [nlp.make_doc(text) for pair in PAIRS for text in pair]
    for name, weights in layer_weights(nlp, docs).items():
        print(f"\nweight of each layer in {name}:")
        for layer, weight in enumerate(weights):
            print(f"{layer:5}  {weight:6.3f}  {'#' * round(40 * max(weight, 0.0))}")


if __name__ == "__main__":
    typer.run(main)
