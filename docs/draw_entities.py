"""Draws entities.svg: what a pipeline finds in sentences of six languages, in displaCy's colors.

    python docs/draw_entities.py xx_dlfa_ner docs/entities.svg

displaCy draws entities as HTML, which an image in a README cannot be. Every run of text is given
its width (`textLength`), so the picture does not depend on the fonts of whoever looks at it.
"""

import unicodedata
from html import escape
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.displacy.render import DEFAULT_LABEL_COLORS
from spacy.tokens import Doc

from dlfa_spacy.files.writing import write_text

SENTENCES = [
    ("German", "Angela Merkel besuchte gestern das Werk von Siemens in München."),
    ("Russian", "Анна Иванова работает в компании Яндекс в Москве."),
    ("Hindi", "नरेन्द्र मोदी ने दिल्ली में संयुक्त राष्ट्र के महासचिव से मुलाकात की।"),
    ("Polish", "Jan Kowalski pracuje w Warszawie dla firmy Orlen."),
    ("Arabic", "وصلت أنجيلا ميركل إلى القاهرة يوم الاثنين."),
    ("Chinese", "李娜在北京为联合国工作。"),
]
RIGHT_TO_LEFT = {"Arabic"}
COLORS = {"PER": DEFAULT_LABEL_COLORS["PERSON"], **DEFAULT_LABEL_COLORS}
WIDTH, LEFT, ROW, TOP, SIZE = 860, 112, 46, 14, 16
GAP, PAD, TAG = 5.0, 7.0, 10  # between runs; in a box; size of a label, as in STYLE
# Widths of characters in em. Right to a tenth is near enough: `textLength` does the rest.
NARROW, WIDE = set("iljtfrI.,:;'!|1 "), set("mwMWшщмжюШЩМЖЮ")

STYLE = """
svg { --card: #f6f8fa; --edge: #d0d7de; --ink: #1f2328; --muted: #59636e; }
@media (prefers-color-scheme: dark) {
  svg { --card: #161b22; --edge: #30363d; --ink: #e6edf3; --muted: #9198a1; }
}
text { font-family: -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
  font-size: 16px; fill: var(--ink); }
.card { fill: var(--card); stroke: var(--edge); }
.language { fill: var(--muted); font-size: 14px; }
.entity { fill: #1f2328; } .label { fill: #1f2328; font-size: 10px; font-weight: bold; }
"""


def main(
    pipeline: Annotated[str, typer.Argument(help="Package or folder of the pipeline.")],
    out: Annotated[Path, typer.Argument(help="The picture to write.")],
) -> None:
    """Annotate the sentences, and draw them."""
    nlp = spacy.load(pipeline)
    docs = nlp.pipe([text for _, text in SENTENCES])
    rows = [
        row(doc, language, TOP + i * ROW)
        for i, (doc, (language, _)) in enumerate(zip(docs, SENTENCES, strict=True))
    ]
    height = 2 * TOP + len(rows) * ROW
    said = "; ".join(f"{language}: {text}" for language, text in SENTENCES)
    write_text(
        out,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>Entities in sentences of six languages</title>\n<desc>{escape(said)}</desc>\n"
        f"<style>{STYLE}</style>\n"
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n",
    )


def row(doc: Doc, language: str, top: float) -> str:
    """RETURNS (str): A language's name, and its sentence from the left or from the right."""
    turned = language in RIGHT_TO_LEFT
    base = top + ROW / 2 + SIZE / 3
    parts = [f'<text class="language" x="20" y="{base:.1f}">{language}</text>']
    place = 0.0

    def x(offset: float, width: float) -> float:
        return WIDTH - 20 - offset - width if turned else LEFT + offset

    def write(text: str, offset: float, width: float, kind: str, how: str = "") -> None:
        # With rtl the place of a text is its right end.
        at = x(offset, width) + (width if turned and not how else 0)
        direction = ' direction="rtl"' if turned and not how else ""
        parts.append(
            f'<text{kind} x="{at:.1f}" y="{base:.1f}" textLength="{width:.1f}" '
            f'lengthAdjust="spacingAndGlyphs"{direction}>{escape(text)}</text>'
        )

    for text, label in runs(doc):
        width = width_of(text) * SIZE
        if not label:
            write(text, place, width, "")
            place += width + GAP
            continue
        tag = width_of(label) * TAG * 1.1
        whole = width + tag + 3 * PAD
        parts.append(
            f'<rect x="{x(place, whole):.1f}" y="{top + 7:.1f}" width="{whole:.1f}" '
            f'height="{ROW - 14}" rx="6" fill="{COLORS[label]}"/>'
        )
        write(text, place + PAD, width, ' class="entity"')
        write(label, place + width + 2 * PAD, tag, ' class="label"', how="label")
        place += whole + GAP
    return "\n".join(parts)


def runs(doc: Doc) -> list[tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): The text in pieces, and the label of those that are an
    entity."""
    found, end = [], 0
    for ent in doc.ents:
        found += [(doc.text[end : ent.start_char].strip(), ""), (ent.text, ent.label_)]
        end = ent.end_char
    found.append((doc.text[end:].strip(), ""))
    return [(text, label) for text, label in found if text]


def width_of(text: str) -> float:
    """RETURNS (float): About how wide it is, in em."""
    return sum(_width(character) for character in text)


def _width(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 1.0
    if character in NARROW:
        return 0.28
    if character in WIDE:
        return 0.85
    if "\u0600" <= character <= "\u06ff":
        return 0.45
    return 0.66 if character.isupper() else 0.54


if __name__ == "__main__":
    typer.run(main)
