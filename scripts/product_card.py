"""Measure the shipped pipeline in every language of some corpora, and write its card.

    python scripts/product_card.py evaluate training/xx_dlfa_ner DATA build/product
    python scripts/product_card.py collect build/product assets/xx_dlfa_ner
    python scripts/product_card.py write assets/xx_dlfa_ner --page README.md

DATA holds `ner-uner`, `ner-wikiann`, `pos` and `topic` in their public formats. The card names
every language that was scored; the English test file of `ner-uner` was trained on and is left out.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas
import typer

from dlfa_spacy.corpora import write_text
from dlfa_spacy.files.markers import insert_between_markers

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
CORPORA = {
    "ner-uner": ("Universal NER (gold), entity F1", "ner_span_f1"),
    "ner-wikiann": ("PAN-X (silver), entity F1", "ner_span_f1"),
    "pos": ("UD UPOS, accuracy", "pos_token_accuracy"),
    "topic": ("SIB-200 topics, accuracy", "textcat_accuracy"),
}
# The metric that stands for raw text, where tokens are the pipeline's own.
RAW = {"pos_token_accuracy": "pos_word_f1"}
TRAINED_ON = {("ner-uner", "en")}
SOURCE = "en"
SCORES, CHOSEN = "scores.csv", "chosen.json"
MARKER = "<!-- dlfa:product -->"


@app.command()
def evaluate(
    pipeline: Annotated[Path, typer.Argument(help="The whole pipeline.")],
    data: Annotated[Path, typer.Argument(help="Folder of the corpora.")],
    out: Annotated[Path, typer.Argument(help="Folder for the results.")],
    limit: Annotated[int, typer.Option(help="Texts per language at the most.")] = 150,
) -> None:
    """Run `dlfa evaluate` on each corpus: gold tokens and raw text."""
    for name in CORPORA:
        command = [sys.executable, "-m", "spacy", "dlfa", "evaluate", str(pipeline)]
        command += [str(data / name), "--out", str(out / name / "gold"), "--limit", str(limit)]
        command += ["--split", "test,dev"]
        if name != "topic":
            command += ["--raw-out", str(out / name / "raw")]
        subprocess.run(command, check=True)


@app.command()
def collect(
    results: Annotated[Path, typer.Argument(help="Folder that `evaluate` wrote.")],
    heads: Annotated[Path, typer.Argument(help="The shipped components.")],
) -> None:
    """Put all scores into one table."""
    rows = []
    for corpus, (_, metric) in CORPORA.items():
        for text in ("gold", "raw"):
            path = results / corpus / text / "scores.json"
            if not path.is_file():
                continue
            wanted = metric if text == "gold" else RAW.get(metric, metric)
            for language, found in json.loads(path.read_text(encoding="utf-8"))[
                "languages"
            ].items():
                if (corpus, language) in TRAINED_ON or found["scores"].get(wanted) is None:
                    continue
                rows.append(
                    {
                        "corpus": corpus,
                        "text": text,
                        "language": language,
                        "split": found["split"],
                        "texts": found["n_docs"],
                        "metric": wanted,
                        "value": round(found["scores"][wanted], 4),
                    }
                )
    write_text(heads / SCORES, pandas.DataFrame(rows).to_csv(index=False))


@app.command()
def write(
    heads: Annotated[Path, typer.Argument(help="The shipped components.")],
    page: Annotated[
        Path | None, typer.Option(help="A page that gets the means, between two markers.")
    ] = None,
) -> None:
    """Write the card from the table."""
    table = pandas.read_csv(heads / SCORES, keep_default_na=False)
    chosen = json.loads((heads / CHOSEN).read_text(encoding="utf-8"))
    write_text(heads / "README.md", card(table, chosen))
    if page is not None:
        insert_between_markers(page, means(table), MARKER)


def card(table: pandas.DataFrame, chosen: dict[str, Any]) -> str:
    """RETURNS (str): The card; every number in it from the two files."""
    lines = [HEAD.strip(), "", "## Scores", "", means(table), ""]
    for corpus, (title, _) in CORPORA.items():
        lines += [f"### {title}", "", by_language(table[table["corpus"] == corpus]), ""]
    lines += [
        "gold: the corpus's own tokens. raw: texts as they are written, cut into tokens by the "
        "pipeline; of parts of speech the F1 over words with the right extent and tag, of entities "
        f"over characters' offsets. At most {table['texts'].max()} texts per language, of the test "
        "set, or of dev where there is no other; one seed. Universal NER has no English row: its "
        "English test file was trained on.",
        "",
        "## What was trained, and how it was chosen",
        "",
        "Each component alone on the frozen encoder, once for each way to read its layers; the "
        "best on English development data was taken.",
        "",
        "| task | score on English dev | " + "ways to read the layers |",
        "|---|---|---|",
    ]
    for task, found in chosen["tasks"].items():
        ways = ", ".join(
            f"**{name} {value:.3f}**" if name == found["chosen"] else f"{name} {value:.3f}"
            for name, value in found["development"].items()
        )
        lines.append(f"| {task} | {found['metric']} | {ways} |")
    return "\n".join([*lines, "", TAIL.strip(), ""])


def means(table: pandas.DataFrame) -> str:
    """RETURNS (str): The mean over languages that were not trained on."""
    lines = ["| | languages beside English | gold tokens | raw text |", "|:---|---:|---:|---:|"]
    for corpus, (title, _) in CORPORA.items():
        part = table[(table["corpus"] == corpus) & (table["language"] != SOURCE)]
        found = part.groupby("text")["value"].mean()
        count = part["language"].nunique()
        cells = [f"{100 * found[x]:.1f}" if x in found else "" for x in ("gold", "raw")]
        lines.append(f"| {title} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_language(table: pandas.DataFrame) -> str:
    values = table.pivot(index="text", columns="language", values="value")
    first = [SOURCE] if SOURCE in values.columns else []
    languages = first + sorted(x for x in values.columns if x != SOURCE)
    lines = ["| | " + " | ".join(languages) + " |", "|:---|" + "---:|" * len(languages)]
    for text in values.index:
        cells = [_percent(values.loc[text, language]) for language in languages]
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _percent(value: float) -> str:
    return "" if pandas.isna(value) else f"{100 * value:.1f}"


HEAD = """
# xx_dlfa_ner

Entities (PER, ORG, LOC), universal parts of speech, sentences and topics (science/technology,
travel, politics, sports, health, entertainment, geography) for texts in a hundred languages.
Trained on English alone, on the frozen layers of one multilingual encoder, and transferred
zero-shot.

```python
import spacy

nlp = spacy.load("xx_dlfa_ner")
doc = nlp("Angela Merkel wohnt in Berlin.")
print([(ent.text, ent.label_) for ent in doc.ents], [token.pos_ for token in doc], doc.cats)
print([ent._.confidence for ent in doc.ents])
```

Confidences are calibrated on English development data; how far they hold in other languages is in
docs/confidence.md.

In the repository of dlfa_spacy, `assets/xx_dlfa_ner` holds the components alone, and
`scripts/package_model.py` puts them on the encoder (`assets/encoder`). `scripts/train_product.py`
trained them, `scripts/product_card.py` measured them and wrote this card.
"""

TAIL = """
## License and sources

The components are CC BY-SA 4.0 (see LICENSE). They were trained on UD English EWT (CC BY-SA 4.0),
the English test file of Universal NER (CC BY-SA 4.0), Wikigold (CC BY 4.0) and the English part of
SIB-200 (Apache-2.0 over FLORES, CC BY-SA 4.0). The encoder is MIT, see its card.

## Limits

Entities are of three types. What a text is about is told by seven topics only, and one of them is
always the nearest. Chinese, Japanese, Thai, Lao, Khmer and Burmese are cut into the encoder's
wordpieces, some of which cross the borders of words ("in Beijing" can be one), so that raw text in
them scores lower. Scores on silver data (PAN-X) say as much about its annotation as about the
pipeline.
"""


if __name__ == "__main__":
    app()
