"""Five components, trained one by one, on one frozen encoder.

    python examples/one_encoder.py out

Each run trains one component on the embedded corpus and leaves the encoder as it is. Then they go
into one pipeline by `source` alone: it runs the encoder once per text, and every component predicts
what it predicted alone. The runs share a folder of layers, so each text is encoded once for all.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config, minibatch

from dlfa_spacy.corpora import read_docs
from dlfa_spacy.pairs import make_pair
from dlfa_spacy.recipes import make_config

TEXT = "Maria Lopez moved to Berlin. She works for Nordwind Energy."
CLAIM = "Maria lives in Germany."
FROZEN = {"exclude": ["transformer"], "annotates": ["transformer"]}


def sentences(corpus: Path, nlp: Language) -> list[Doc]:
    """RETURNS (List[Doc]): With tags, entities and topics."""
    return list(read_docs(corpus / "en" / "train.conllu", vocab=nlp.vocab))


def paragraphs(corpus: Path, nlp: Language) -> list[Doc]:
    """RETURNS (List[Doc]): Three sentences each, for who learns where they end."""
    docs = sentences(corpus, nlp)
    joined = []
    for i in range(0, len(docs), 3):
        parts = docs[i : i + 3]
        starts: list[Any] = [token.i == 0 for doc in parts for token in doc]
        words: list[Any] = [token.text for doc in parts for token in doc]
        spaces = [bool(t.whitespace_) or t.i == len(doc) - 1 for doc in parts for t in doc]
        joined.append(Doc(nlp.vocab, words, spaces, sent_starts=starts))
    return joined


def pairs(corpus: Path, nlp: Language) -> list[Doc]:
    """RETURNS (List[Doc]): Premises and hypotheses."""
    return list(read_docs(corpus / "nli" / "en" / "train.jsonl", vocab=nlp.vocab))


# Component -> the shipped config that it is made from, its factory, and what it learns from.
RUNS: dict[str, tuple[str, str, Callable[[Path, Language], list[Doc]]]] = {
    "ner": ("ner", "ner", sentences),
    "tagger": ("pos", "tagger", sentences),
    "senter": ("pos", "senter", paragraphs),
    "topic": ("textcat", "textcat", sentences),
    "nli": ("textcat", "textcat", pairs),
}


def train(component: str, corpus: Path, out: Path, encoder: str, epochs: int) -> Path:
    """RETURNS (Path): The pipeline of one component."""
    task, factory, read = RUNS[component]
    config = make_config(task, "scalar", encoder=encoder, frozen=True)
    shipped = "textcat" if task == "textcat" else {"ner": "ner", "pos": "tagger"}[task]
    block: dict[str, Any] = config["components"].pop(shipped)
    block["factory"] = factory
    if task == "textcat":
        block["model"].update(sequence="mean", pooler="new")
    config["components"] = {
        "transformer": {**config["components"]["transformer"], "cache": str(out / "layers")},
        component: block,
    }
    config["nlp"]["pipeline"] = ["transformer", component]
    config["initialize"] = {}
    nlp = load_model_from_config(config, auto_fill=True)
    docs = read(corpus, nlp)
    spacy.util.fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples(nlp, docs))
    optimizer.learn_rate = 2e-3
    for epoch in range(epochs):
        losses: dict[str, float] = {}
        for batch in minibatch(examples(nlp, docs), 16):
            nlp.update(batch, sgd=optimizer, losses=losses, **FROZEN)  # type: ignore[arg-type]
        print(f"{component}: epoch {epoch + 1}, loss {losses[component]:.2f}")
    nlp.to_disk(out / component)
    return out / component


def examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    """RETURNS (List[Example]): The words of some Docs, without what is to be learned."""
    blank = [Doc(nlp.vocab, [t.text for t in d], [bool(t.whitespace_) for t in d]) for d in docs]
    return [Example(predicted, doc) for predicted, doc in zip(blank, docs, strict=True)]


def join(pipelines: dict[str, Path]) -> Language:
    """RETURNS (Language): All components on one encoder."""
    first, *others = pipelines
    nlp = spacy.load(pipelines[first])
    for name in others:
        nlp.add_pipe(name, source=spacy.load(pipelines[name]))
    return nlp


def main(
    out: Annotated[Path, typer.Argument(help="Folder for the pipelines.")],
    corpus: Annotated[Path, typer.Option(help="As assets/corpus.")] = Path("assets/corpus"),
    encoder: Annotated[str, typer.Option(help="Folder or Hugging Face name.")] = "assets/encoder",
    epochs: Annotated[int, typer.Option(help="Of each run.")] = 8,
) -> None:
    """Train five components apart, and use them together."""
    nlp = join({name: train(name, corpus, out, encoder, epochs) for name in RUNS})
    nlp.to_disk(out / "joined")
    doc = nlp(TEXT)
    print([(ent.text, ent.label_) for ent in doc.ents])
    print([(token.text, token.tag_) for token in doc])
    print([sentence.text for sentence in doc.sents])
    pair = nlp(make_pair(nlp, TEXT, CLAIM))
    print({label: round(score, 2) for label, score in pair.cats.items()})


if __name__ == "__main__":
    typer.run(main)
