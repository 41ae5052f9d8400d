"""What an encoder has to beat: spaCy's MultiHashEmbed, which knows words by their hashes alone.

    python scripts/hash_embed_baseline.py DATA build/hash_embed.json

Trains a tagger and an ner on the same English sentences as the probes of `build_encoder.py card`,
scores them on the same sentences of other languages, and writes {task: {language: percent}}.
"""

import json
import random
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from encoder_building.probe import ProbeTask, entity_spans, load_task
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, iob_to_biluo
from spacy.util import compounding, load_model_from_config, minibatch
from thinc.api import Config
from tqdm import tqdm

from dlfa_spacy.corpora.files import write_text

TOK2VEC = """
@architectures = "spacy.Tok2Vec.v2"

[embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false

[encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 96
depth = 4
window_size = 1
maxout_pieces = 3
"""
NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": True,
}


def main(
    data: Annotated[Path, typer.Argument(help="Holds pos/ and ner-wikiann/.")],
    out: Annotated[Path, typer.Argument(help="JSON file.")],
    langs: Annotated[str, typer.Option(help="Languages.")] = "en,de,es,fr,nl,pt,ru,ar,hi,zh",
    n_train: Annotated[int, typer.Option(help="English sentences.")] = 2000,
    skip: Annotated[int, typer.Option(help="Sentences of each test file to leave out.")] = 100,
    n_test: Annotated[int, typer.Option(help="Sentences of each test file to score.")] = 400,
    epochs: Annotated[int, typer.Option(help="Passes over the training set.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Train and score both tasks."""
    scores = {}
    for name in ("pos", "ner"):
        part = slice(skip, skip + n_test)
        task = load_task(data, name, langs.split(","), n_train=n_train, part=part)
        nlp = train(task, epochs, seed)
        scores[name] = {lang: score(nlp, task, lang) for lang in task.tests}
        typer.echo(f"{name}: {scores[name]}")
    write_text(out, json.dumps(scores, indent=2))


def train(task: ProbeTask, epochs: int, seed: int) -> Language:
    """RETURNS (Language): A pipeline with one component, `tagger` or `ner`."""
    spacy.util.fix_random_seed(seed)
    tok2vec = dict(Config().from_str(f"[tok2vec]\n{TOK2VEC}".replace("[e", "[tok2vec.e")))
    model: dict[str, Any] = {"@architectures": "spacy.Tagger.v2"} if task.name == "pos" else NER
    factory = "tagger" if task.name == "pos" else "ner"
    components = {factory: {"factory": factory, "model": {**model, **tok2vec}}}
    config = Config({"nlp": {"lang": "xx", "pipeline": [factory]}, "components": components})
    nlp = load_model_from_config(config, auto_fill=True)
    examples = [example(nlp, task.name, words, tags) for words, tags in task.train]
    optimizer = nlp.initialize(lambda: examples)
    sizes = compounding(8, 64, 1.002)
    for _ in tqdm(range(epochs), desc=task.name):
        random.Random(seed).shuffle(examples)
        for batch in minibatch(examples, sizes):
            nlp.update(batch, sgd=optimizer, drop=0.1)
    return nlp


def example(nlp: Language, task: str, words: list[str], tags: list[str]) -> Example:
    gold = {"tags": tags} if task == "pos" else {"entities": iob_to_biluo(tags)}
    return Example.from_dict(Doc(nlp.vocab, words=words), {"words": words, **gold})


def score(nlp: Language, task: ProbeTask, lang: str) -> float:
    """RETURNS (float): Token accuracy, or span F1, in percent."""
    sentences = task.tests[lang]
    docs = list(nlp.pipe([Doc(nlp.vocab, words=words) for words, _ in sentences]))
    if task.name == "pos":
        pairs = [
            (token.tag_, tag)
            for doc, (_, tags) in zip(docs, sentences, strict=True)
            for token, tag in zip(doc, tags, strict=True)
        ]
        return 100.0 * sum(found == gold for found, gold in pairs) / len(pairs)
    hits = predicted = expected = 0
    for doc, (_, tags) in zip(docs, sentences, strict=True):
        found = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        gold = entity_spans(tags)
        hits += len(found & gold)
        predicted += len(found)
        expected += len(gold)
    return 200.0 * hits / max(1, predicted + expected)


if __name__ == "__main__":
    typer.run(main)
