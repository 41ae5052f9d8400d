"""A tiny corpus and plans on it: what a sweep needs to be done in seconds."""

import random
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin

from dlfa_spacy.runs.plan import Plan

NOUNS = ["Anna", "Berlin", "lin", "Ber"]
VERBS = ["lives", "the", "un"]


def write_docs(path: Path, n_docs: int, seed: int) -> Path:
    """Sentences of nouns and verbs; a noun is also an entity."""
    vocab, rng, docs = spacy.blank("xx").vocab, random.Random(seed), DocBin()
    for _ in range(n_docs):
        words = [rng.choice(NOUNS + VERBS) for _ in range(rng.randint(2, 5))]
        pos = ["NOUN" if word in NOUNS else "VERB" for word in words]
        entities = ["B-PER" if word in NOUNS else "O" for word in words]
        docs.add(Doc(vocab, words=words, pos=pos, tags=pos, ents=entities))
    path.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(path)
    return path


def make_corpus(folder: Path, task: str = "pos") -> Path:
    """English with three splits, German with test, French with dev alone."""
    for number, name in enumerate(("en/train", "en/dev", "en/test", "de/test", "fr/dev")):
        write_docs(folder / task / f"{name}.spacy", 24, number)
    return folder


def make_plan(corpus: Path, encoder: str, **settings: object) -> Plan:
    """Two methods and two seeds of two epochs."""
    plan = {
        "corpus": str(corpus),
        "tasks": ["pos"],
        "methods": ["last", "dlfa:2"],
        "encoders": {"tiny": encoder},
        "seeds": [0, 1],
        "epochs": 2,
        "learn_rate": 1e-3,
        "batch_size": 8,
        **settings,
    }
    return Plan(**plan)  # type: ignore[arg-type]
