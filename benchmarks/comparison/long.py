"""One Doc, longer and longer: time and memory."""

from __future__ import annotations

import time
from typing import Any

from dlfa_spacy.optimization.speed.child import load_pipeline, run_child

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System

AGGREGATION = "attention"


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Seconds, and bytes at the peak above those before, of a Doc of each
    length; its texts are named by their number of wordpieces."""
    system = System(AGGREGATION)
    settings = bench.child_settings(bench.saved(shape, system, "ner"))
    texts = bench.texts("sentences", 2_000)
    found = run_child(
        __name__,
        {
            **settings,
            "sentences": [text.words for text in texts],
            "lengths": list(bench.sizes.wordpieces),
        },
    )
    figures = []
    for row in found["docs"]:
        for quantity in ("seconds", "bytes"):
            figures.append(
                figure(
                    "long",
                    shape,
                    str(row["wordpieces"]),
                    system.name,
                    quantity,
                    [row[quantity]],
                    row["words"],
                )
            )
    return figures


def in_child(settings: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, list]): Wordpieces, words, seconds and bytes of each Doc."""
    nlp = load_pipeline(settings)
    from spacy.tokens import Doc

    from dlfa_spacy.optimization.speed.memory_use import peak, reset_peak, resident

    sentences = settings["sentences"]
    tokenizer = nlp.get_pipe("transformer").model.shim.piece_tokenizer
    counts = tokenizer([" ".join(words) for words in sentences]).lengths.tolist()
    # Once for all that is only needed once.
    nlp(Doc(nlp.vocab, words=sentences[0]))
    docs = []
    for length in settings["lengths"]:
        words: list[str] = []
        pieces, i = 0, 0
        while pieces < length:
            words.extend(sentences[i % len(sentences)])
            pieces += counts[i % len(sentences)]
            i += 1
        before = resident()
        reset_peak()
        start = time.perf_counter()
        doc = nlp(Doc(nlp.vocab, words=words))
        taken = time.perf_counter() - start
        used = peak() - before
        docs.append({"wordpieces": pieces, "words": len(doc), "seconds": taken, "bytes": used})
    return {"docs": docs}
