"""Score projected labels on parallel text that has gold labels.

    python docs/results/projection.py layers assets/encoder
    python docs/results/projection.py entities MODEL UNER PUD
    python docs/results/projection.py tags MODEL POS PUD --limit 200
    python docs/results/projection.py table

The first carries the gold entities of the embedded corpus from English to its other languages, with
links by each layer of an encoder. The next two take PUD, the same sentences in many languages:
MODEL is a calibrated pipeline, UNER and POS have `<lang>/test.iob2` and `<lang>/test.conllu`, and
PUD has `cs-en.tsv` and `sv-en.tsv`. Each writes numbers beside this file; the last one writes the
tables of `docs/projection.md`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import pandas
import typer
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.annotation.projection import REASONS, EncoderLinks, Projection, Tally, project
from dlfa_spacy.corpora import read_docs, set_language
from dlfa_spacy.corpora.bare import bare_doc
from dlfa_spacy.evaluation.tasks import gold_tags
from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.files.markdown import markdown_table, percent
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.metrics.span_f1 import SpanF1
from dlfa_spacy.parallel import Link
from dlfa_spacy.pipeline.sources import open_pipeline, open_source
from dlfa_spacy.tokenizer import make_tokenizer

RESULTS = Path(__file__).parent
ROOT = RESULTS.parents[1]
PAGE = ROOT / "docs" / "projection.md"
EMBEDDED = ROOT / "assets" / "corpus"
ENTITIES, TAGS = ("de", "ru"), ("ar", "hi", "th")
# UD changed the order of the sentences once: which file has that of the gold labels.
ORDER = {**dict.fromkeys(ENTITIES, "sv-en.tsv"), **dict.fromkeys(TAGS, "cs-en.tsv")}
CONFIDENCES = (0.0, 0.5, 0.8)
app = typer.Typer()


@app.command()
def layers(encoder: Annotated[str, typer.Argument()]) -> None:
    """Which layer links words best: gold entities of the embedded corpus, English to others."""
    nlp = open_source(encoder)
    golds = dict(embedded(nlp))
    english = golds.pop("en")
    depth = EncoderLinks(nlp).encoder.num_layers
    rows = []
    for layer in range(depth + 1):
        linker = EncoderLinks(nlp, layer)
        for language, gold in golds.items():
            found = projected(english, gold, linker(gold, english), Projection())
            rows.append({"layer": layer, "language": language, **found})
    write_csv(RESULTS / "projection_layers.csv", rows)


def embedded(nlp: Language) -> Iterator[tuple[str, list[Doc]]]:
    """YIELDS (Tuple[str, List[Doc]]): Language and test set; Chinese twice, also cut into
    characters as a pipeline's tokenizer does."""
    tokenizer = make_tokenizer(nlp)
    for path in sorted(EMBEDDED.glob("*/test.conllu")):
        language = path.parent.name
        docs = list(read_docs(path, vocab=nlp.vocab, language=language))
        yield language, docs
        if language == "zh":
            cut = [tokenizer(doc.text) for doc in docs]
            for doc, whole in zip(cut, docs, strict=True):
                spans = [
                    doc.char_span(ent.start_char, ent.end_char, ent.label_) for ent in whole.ents
                ]
                doc.set_ents([span for span in spans if span is not None])
            yield "zh, characters", cut


@app.command()
def entities(model: str, uner: Path, text: Path) -> None:
    """Entities in German and Russian: from gold ones in the other, and from English."""
    nlp = open_pipeline(model)
    linker = EncoderLinks(nlp)
    golds = {name: gold_docs(nlp, uner / name / "test.iob2", name) for name in ENTITIES}
    english = english_docs(nlp, text / ORDER[ENTITIES[0]])
    rows = []
    for source, target in (ENTITIES, ENTITIES[::-1]):
        sides = golds[source], golds[target]
        found = projected(*sides, linker(*sides[::-1]), Projection())
        rows.append({"target": target, "from": f"gold {source}", "confidence": 0.0, **found})
    for target, gold in golds.items():
        links = linker(gold, english)
        for confidence in CONFIDENCES:
            found = projected(english, gold, links, Projection(min_confidence=confidence))
            rows.append({"target": target, "from": "en", "confidence": confidence, **found})
        found = zero_shot(annotated(nlp, gold), gold)
        rows.append({"target": target, "from": "", "confidence": 0.0, **found})
    write_csv(RESULTS / "projection_entities.csv", rows)


@app.command()
def tags(model: str, pos: Path, text: Path, limit: int = 0) -> None:
    """Parts of speech in Arabic, Hindi and Thai, in the first `limit` sentences."""
    nlp = open_pipeline(model)
    linker = EncoderLinks(nlp)
    english = english_docs(nlp, text / ORDER[TAGS[0]], limit)
    rows = []
    for target in TAGS:
        gold = gold_docs(nlp, pos / target / "test.conllu", target)[: limit or None]
        rows.append({"target": target, **tag_scores(nlp, english, gold, linker)})
    write_csv(RESULTS / "projection_tags.csv", rows)


def gold_docs(nlp: Language, path: Path, language: str) -> list[Doc]:
    return list(read_docs(path, vocab=nlp.vocab, language=language))


def english_docs(nlp: Language, path: Path, limit: int = 0) -> list[Doc]:
    """RETURNS (List[Doc]): The English sides, annotated."""
    lines = path.read_text(encoding="utf-8").splitlines()[: limit or None]
    docs = [nlp.make_doc(line.split("\t")[1]) for line in lines]
    for doc in docs:
        set_language(doc, "en")
    return annotated(nlp, docs)


def annotated(nlp: Language, docs: Iterable[Doc]) -> list[Doc]:
    return list(nlp.pipe([bare_doc(nlp.vocab, doc) for doc in docs]))


def projected(
    source: Sequence[Doc],
    gold: Sequence[Doc],
    links: Sequence[Sequence[Link]],
    settings: Projection,
) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Scores of projected entities, in all sentences and in those that
    lost none."""
    tally, everywhere, complete = Tally(), SpanF1(), SpanF1()
    made = [bare_doc(doc.vocab, doc) for doc in gold]
    n_complete = 0
    for one, doc, right, some in zip(source, made, gold, links, strict=True):
        before = tally.lost.total()
        project(one, doc, some, settings, tally)
        everywhere.add(spans(right), spans(doc))
        if tally.lost.total() == before:
            n_complete += 1
            complete.add(spans(right), spans(doc))
    return {
        **scores(everywhere),
        "complete": n_complete / len(made),
        "complete_f1": complete.f1,
        "entities": tally.entities,
        **{reason: tally.lost[reason] for reason in REASONS},
    }


def zero_shot(found: Sequence[Doc], gold: Sequence[Doc]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): As `projected`, of what the pipeline finds itself."""
    score = SpanF1()
    for doc, right in zip(found, gold, strict=True):
        score.add(spans(right), spans(doc))
    n_entities = sum(len(doc.ents) for doc in found)
    nothing = dict.fromkeys(REASONS, 0)
    rest = {"complete": 1.0, "complete_f1": score.f1, "entities": n_entities, **nothing}
    return {**scores(score), **rest}


def scores(score: SpanF1) -> dict[str, float]:
    return {"precision": score.precision, "recall": score.recall, "f1": score.f1}


def spans(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def tag_scores(
    nlp: Language, english: Sequence[Doc], gold: Sequence[Doc], linker: EncoderLinks
) -> dict[str, float]:
    """RETURNS (Dict[str, float]): The share of words that get a tag; how many of these are right,
    carried over and zero-shot; and zero-shot among all words."""
    settings, tally = Projection(("tags",)), Tally()
    made = [bare_doc(nlp.vocab, doc) for doc in gold]
    rows: list[tuple[str, str, str]] = []
    own = annotated(nlp, made)
    for one, doc, right, guess, links in zip(
        english, made, gold, own, linker(made, english), strict=True
    ):
        project(one, doc, links, settings, tally)
        tags = [token.tag_ for token in doc], gold_tags(right), gold_tags(guess)
        rows += zip(*(some or [] for some in tags), strict=True)
    tagged = [row for row in rows if row[0]]
    return {
        "words": len(rows),
        "tagged": len(tagged) / len(rows),
        "right": fmean(tag == wanted for tag, wanted, _ in tagged),
        "zero_shot_tagged": fmean(guess == wanted for _, wanted, guess in tagged),
        "zero_shot": fmean(guess == wanted for _, wanted, guess in rows),
    }


@app.command()
def table() -> None:
    """Write the tables of the page."""
    found = pandas.read_csv(RESULTS / "projection_layers.csv")
    words = found[~found.language.str.contains(",")].groupby("layer").f1.mean()
    cut = found[found.language.str.contains(",")].groupby("layer").f1.mean()
    rows = [["words", *map(percent, words)], ["Chinese characters", *map(percent, cut)]]
    fill("projection-layers", ["layer", *map(str, words.index)], rows)
    found = pandas.read_csv(RESULTS / "projection_entities.csv", keep_default_na=False)
    rows = [
        [row["target"], *cells(row)]
        for _, row in found.sort_values("target", kind="stable").iterrows()
    ]
    head = ["to", "from", "precision", "recall", "F1", "sentences that lost none", "F1 there"]
    fill("projection-entities", [*head, *REASONS], rows)
    found = pandas.read_csv(RESULTS / "projection_tags.csv")
    names = ("tagged", "right", "zero_shot_tagged", "zero_shot")
    rows = [[row["target"], *(percent(row[name]) for name in names)] for _, row in found.iterrows()]
    head = ["to", "words with a tag", "right", "zero-shot, these words", "zero-shot, all words"]
    fill("projection-tags", head, rows)


def cells(row: Any) -> list[str]:
    name = row["from"]
    if row["confidence"]:
        name += f", confidence {row['confidence']} or more"
    numbers = [row[key] for key in ("precision", "recall", "f1", "complete", "complete_f1")]
    lost = [str(row[reason]) for reason in REASONS]
    if not name:
        return ["– (zero-shot)", *map(percent, numbers[:3]), *["–"] * (2 + len(lost))]
    return [name, *map(percent, numbers), *lost]


def fill(marker: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    insert_between_markers(PAGE, markdown_table(head, rows), f"<!-- dlfa:{marker} -->")


if __name__ == "__main__":
    app()
