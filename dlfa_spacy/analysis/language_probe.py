"""How well the language of a text can be told from each layer, by a linear classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language

from ..checks import check_installed
from ..pipeline.encoders import encoder_of
from ..pipeline.states import BATCH_SIZE, all_sentence_states, resolve_layers

# Of the texts of each language, what the probe is scored on.
HELD_OUT = 0.25
LEAST = 8


def probe_rows(
    nlp: Language,
    texts: Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
) -> Iterator[dict[str, Any]]:
    """Train a probe on each layer: logistic regression on standardized sentence vectors.

    A layer in which languages are one space would leave it at chance. With the mean of each
    language subtracted a linear probe is at chance whatever the layer is, so that is no control.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    texts (Mapping[str, Sequence[str]]): Language -> texts; as many of each are used as of the one
        that has fewest.
    seed (int): Of the split.
    batch_size (int): Texts encoded at once.
    YIELDS (Dict[str, Any]): language, layer, accuracy (share of the held-out texts of the language
        that are told right), chance, n.
    RAISES (ValueError): Fewer than two languages, or than 8 texts of one.
    RAISES (ImportError): There is no scikit-learn.

    Source: Libovicky, Rosa & Fraser 2020 (On the Language Neutrality of Pre-trained Multilingual
    Representations), section 3.
    """
    check_installed("sklearn", "analysis", "A linear probe")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    languages = sorted(texts)
    n = min((len(set(texts[code])) for code in languages), default=0)
    if len(languages) < 2 or n < LEAST:
        raise ValueError(
            f"Found {len(languages)} languages with {n} texts or more each. Expected 2 languages "
            f"or more, with {LEAST} texts. Fix: more text, or --langs."
        )
    order = numpy.random.default_rng(seed).permutation(n)
    n_test = max(1, int(n * HELD_OUT))
    chosen = {code: [list(dict.fromkeys(texts[code]))[i] for i in order] for code in languages}
    states = {c: all_sentence_states(nlp, chosen[c], None, batch_size) for c in languages}
    names = numpy.array(languages)
    for number, layer in enumerate(resolve_layers(None, encoder_of(nlp).num_layers)):
        rows = {code: states[code][number].astype("float64") for code in languages}
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        train = numpy.concatenate([rows[code][n_test:] for code in languages])
        probe.fit(train, numpy.repeat(names, n - n_test))
        for code in languages:
            right: NDArray[numpy.bool_] = probe.predict(rows[code][:n_test]) == code
            yield {
                "language": code,
                "layer": layer,
                "accuracy": float(right.mean()),
                "chance": 1 / len(languages),
                "n": n_test,
            }
