"""Texts with errors, shown with displaCy; only on request, since most corpora have a license."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from .languages import SCRIPT, base
from .tasks import PipelineTasks, gold_label, gold_tags, predicted_tags

EXAMPLES = "examples.json"


def wrong_text(gold: Doc, predicted: Doc, tasks: PipelineTasks) -> list[dict[str, Any]]:
    """Describe what a pipeline got wrong in a text, for displaCy's manual mode.

    gold (Doc): The gold Doc.
    predicted (Doc): The pipeline's Doc of the same text.
    tasks (PipelineTasks): What the pipeline predicts.
    RETURNS (List[Dict[str, Any]]): For each task with an error: `task`, `text`, `gold` and
        `predicted`, which are spans (`start`, `end`, `label`, by characters). Of POS, the tokens
        that are wrong. Of classification, `label` and `predicted_label` instead of spans.
    """
    found: list[dict[str, Any]] = []
    if tasks.ner and gold.has_annotation("ENT_IOB"):
        ours, theirs = _entities(gold), _entities(predicted)
        if ours != theirs:
            found.append({"task": "ner", "text": gold.text, "gold": ours, "predicted": theirs})
    tags = gold_tags(gold) if tasks.pos is not None else None
    if tags is not None and tasks.pos is not None and len(gold) == len(predicted):
        pairs = list(zip(gold, tags, predicted_tags(predicted, tasks.pos), strict=True))
        wrong = [(token, tag, other) for token, tag, other in pairs if tag and tag != other]
        if wrong:
            found.append(
                {
                    "task": "pos",
                    "text": gold.text,
                    "gold": [_span(token, tag) for token, tag, _ in wrong],
                    "predicted": [_span(token, other or "none") for token, _, other in wrong],
                }
            )
    if tasks.textcat and tasks.threshold is None and gold.cats:
        label = gold_label(gold)
        best = max(predicted.cats, key=lambda name: predicted.cats[name], default="")
        if label != best:
            found.append(
                {"task": "textcat", "text": gold.text, "label": label, "predicted_label": best}
            )
    return found


def _entities(doc: Doc) -> list[dict[str, Any]]:
    return [{"start": e.start_char, "end": e.end_char, "label": e.label_} for e in doc.ents]


def _span(token: Any, label: str) -> dict[str, Any]:
    return {"start": token.idx, "end": token.idx + len(token), "label": label}


def read_examples(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the examples of a run.

    folder (Path): The run's folder.
    RETURNS (Dict[str, List[Dict[str, Any]]]): By language; empty if it has none.
    RAISES (ValueError): If the file is damaged.
    """
    path = folder / EXAMPLES
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {code: list(texts) for code, texts in content.items()}
    except (json.JSONDecodeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path}: found {error}, expected the file of `dlfa evaluate --examples`. "
            "Fix: evaluate that run again."
        ) from error


# displaCy's own colors are made for white pages; these take on the page's.
_ENTITY = '<mark class="ent">{text}<span class="tag">{label}</span></mark>'


def render(example: dict[str, Any], language: str = "") -> list[tuple[str, str]]:
    """Draw a text with displaCy.

    example (Dict[str, Any]): What `wrong_text` made.
    language (str): Its language code, for the direction of writing.
    RETURNS (List[Tuple[str, str]]): What it is (`gold`, `predicted`) and its HTML.
    """
    direction = "rtl" if SCRIPT.get(base(language)) in ("Arabic", "Hebrew") else "ltr"
    if example["task"] == "textcat":
        what = f"gold {example['label']}, predicted {example['predicted_label']}"
        return [(what, _draw(example["text"], [], direction))]
    return [
        (side, _draw(example["text"], example[side], direction)) for side in ("gold", "predicted")
    ]


def _draw(text: str, spans: Sequence[dict[str, Any]], direction: str) -> str:
    from spacy import displacy

    # displaCy escapes the text and not the labels, which come from a corpus as well.
    marked = [{**span, "label": escape(span["label"])} for span in spans]
    html: str = displacy.render(
        {"text": text, "ents": marked, "title": None, "settings": {"direction": direction}},
        style="ent",
        manual=True,
        jupyter=False,
        options={"template": _ENTITY},
    )
    return html
