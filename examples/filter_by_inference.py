"""Keep the sentences of a file that support a claim, whatever their language.

    python examples/filter_by_inference.py "The train was late." sentences.txt \
        --model training/nli/attention/model-best

Natural language inference as a filter: each candidate is the premise of a pair, the claim its
hypothesis. A pipeline trained on English pairs alone reads the candidates in any language.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language

from dlfa_spacy.pairs import join_pair, split_pair


def supporting(
    nlp: Language, claim: str, candidates: Iterable[str], label: str = "entailment"
) -> Iterator[tuple[float, str]]:
    """YIELDS (Tuple[float, str]): For each candidate, how sure it is that the claim follows."""
    pairs = (join_pair(candidate, claim)[0] for candidate in candidates)
    for doc in nlp.pipe(pairs):
        premise, _ = split_pair(doc)
        yield doc.cats[label], premise.text


def main(
    claim: Annotated[str, typer.Argument(help="What the sentences should support.")],
    sentences: Annotated[Path, typer.Argument(help="One candidate per line.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline trained on inference.")
    ] = "training/nli/attention/model-best",
    threshold: Annotated[float, typer.Option(help="Keep what is at least as sure.")] = 0.5,
) -> None:
    """Print the sentences from which the claim follows, the most certain first."""
    nlp = spacy.load(model)
    lines = [line for line in sentences.read_text(encoding="utf-8").splitlines() if line.strip()]
    for score, text in sorted(supporting(nlp, claim, lines), reverse=True):
        if score >= threshold:
            print(f"{score:.2f}  {text}")


if __name__ == "__main__":
    typer.run(main)
