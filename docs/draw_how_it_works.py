"""Draws how_it_works.svg, the picture in the README.

    python docs/draw_how_it_works.py

Layers are rows, components are columns: a dot says that a component reads a layer, and the second
color shows the gradient going back the same way.
"""

from collections.abc import Callable
from pathlib import Path

from spacy.displacy.render import DEFAULT_LABEL_COLORS

WIDTH, HEIGHT = 960, 526
CEILING = -46
TOP, BOTTOM = 172, 452  # of the large cards
TITLE, SUBTITLE = BOTTOM - 31, BOTTOM - 13  # baselines of what is written at their feet
# Height of each layer's wire, last layer first; the gap stands for the layers not drawn.
ROWS = {"L": 200, "L−1": 234, "x": 268, "2": 320, "1": 354, "0": 388}
# Center, read layers with the size of their dots, title, subtitle, and the component.
COLUMNS = [
    (
        656,
        {"L": 8, "L−1": 5, "x": 7, "2": 4, "1": 3, "0": 3},
        "attention",
        "over all layers",
        "ner",
    ),
    (768, {"L": 6, "x": 6}, "DLFA", "a gate of two", "tagger"),
    (880, {"L": 6}, "last layer", "the baseline", "textcat"),
]
COLUMN_WIDTH = 100
SHIFT = 6  # from the forward line to the gradient's beside it

STYLE = """
svg { --back: #ffffff; --card: #f6f8fa; --edge: #d0d7de; --ink: #1f2328; --muted: #59636e;
  --blue: #0969da; --bluesoft: #ddf4ff; --orange: #bc4c00; --cell: #9ecbff; --special: #d0d7de; }
@media (prefers-color-scheme: dark) {
  svg { --back: #0d1117; --card: #161b22; --edge: #30363d; --ink: #e6edf3; --muted: #9198a1;
    --blue: #58a6ff; --bluesoft: #12233d; --orange: #f0883e; --cell: #1f6feb; --special: #484f58; }
}
text { font-family: -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
  font-size: 13px; fill: var(--ink); }
.mid { text-anchor: middle; } .end { text-anchor: end; }
.head { font-size: 19px; font-weight: 600; } .bold { font-weight: 600; font-size: 14px; }
.small { font-size: 12px; fill: var(--muted); } .tag { font-size: 11px; fill: var(--muted); }
.weight { font-size: 11px; fill: var(--blue); text-anchor: end; }
.math { font-style: italic; font-family: Georgia, "Times New Roman", serif; font-size: 15px; }
.up { font-size: 10px; }
.back { fill: var(--back); stroke: var(--edge); }
.card { fill: var(--card); stroke: var(--edge); }
.layer { fill: var(--bluesoft); stroke: var(--blue); }
.component { fill: var(--blue); } .on { fill: var(--back); font-weight: 600; font-size: 14px; }
.pill { fill: var(--back); stroke: var(--edge); }
.cell { fill: var(--cell); } .special { fill: var(--special); } .dot { fill: var(--blue); }
.entity { fill: #1f2328; } .label { fill: #1f2328; font-size: 10px; font-weight: bold; }
.rule { stroke: var(--edge); } .gap { fill: var(--muted); }
.go { stroke: var(--blue); stroke-width: 1.8; fill: none; marker-end: url(#go); }
.wire { stroke: var(--blue); stroke-width: 1.8; fill: none; }
.come { stroke: var(--orange); stroke-width: 1.6; fill: none; stroke-dasharray: 4 3;
  marker-end: url(#come); }
.thread { stroke: var(--orange); stroke-width: 1.6; fill: none; stroke-dasharray: 4 3; }
.gohead { fill: var(--blue); } .comehead { fill: var(--orange); }
"""
ENTITIES = "".join(
    f".{label.lower()} {{ fill: {DEFAULT_LABEL_COLORS[name]}; }}\n"
    for label, name in (("PER", "PERSON"), ("LOC", "LOC"))
)


def text(x: float, y: float, content: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{content}</text>'


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 8) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" class="{kind}"/>'


def line(kind: str, *points: tuple[float, float]) -> str:
    path = " L".join(f"{x} {y}" for x, y in points)
    return f'<path d="M{path}" class="{kind}"/>'


def card(x: float, width: float, title: str, subtitle: str) -> list[str]:
    middle = x + width / 2
    return [
        box(x, TOP, width, BOTTOM - TOP, "card"),
        text(middle, TITLE, title, "bold mid"),
        text(middle, SUBTITLE, subtitle, "small mid"),
    ]


def header() -> list[str]:
    return [
        text(30, 14, "Every layer of one encoder, for every component", "head"),
        text(30, 40, "Each component listens with an aggregation of its own.", "small"),
        line("go", (30, 132), (62, 132)),
        text(74, 136, "forward", "small"),
        line("come", (178, 132), (146, 132)),
        text(190, 136, "gradient, into every layer that is read", "small"),
        text(594, 0, "Doc", "tag end"),
        text(594, 75, "component", "tag end"),
        text(594, 136, "pooling", "tag end"),
    ]


def outputs() -> list[str]:
    """What the components write into the last sentence but one: entities as displaCy shows them,
    parts of speech, and a category."""
    ner, tagger, textcat = (centre for centre, *_ in COLUMNS)
    parts = []
    for centre, *_ in COLUMNS:
        parts.append(line("go", (centre, 50), (centre, 32)))
    for y, word, label in ((-30, "Анна", "PER"), (-2, "Берлине", "LOC")):
        parts.append(box(ner - 48, y, 96, 24, label.lower(), 6))
        parts.append(text(ner - 41, y + 16, word, "entity"))
        parts.append(text(ner + 42, y + 16, label, "label end"))
    for y, tags in ((-14, "PROPN VERB"), (14, "ADP PROPN")):
        parts.append(text(tagger, y, tags, "tag mid"))
    parts.append(text(textcat, 0, "travel", "tag mid"))
    return parts


def docs(x: float, width: float) -> list[str]:
    left = x + 14
    return [
        *card(x, width, "Doc", "texts in any language"),
        text(left, 200, "TRAIN ON ENGLISH", "tag"),
        text(left, 224, "Anna lives in Berlin"),
        line("rule", (x, 248), (x + width, 248)),
        text(left, 274, "RUN IN OTHER LANGUAGES", "tag"),
        text(left, 300, "Anna wohnt in Berlin"),
        text(left, 328, "Ana vive en Berlín"),
        text(left, 356, "Анна живёт в Берлине"),
        text(left, 384, "Anna mieszka w Berlinie"),
    ]


def wordpieces(x: float, width: float) -> list[str]:
    """Windows of different lengths, one a row; the first and the last piece are special tokens."""
    parts = card(x, width, "wordpieces", "windows, no padding")
    size, step = 13, 16
    for row, count in enumerate((3, 4, 5, 6, 7, 8)):
        y = 192 + row * 35
        for piece in range(count):
            kind = "special" if piece in (0, count - 1) else "cell"
            parts.append(box(x + 12 + piece * step, y, size, size, kind, 3))
    return parts


def layer_name(x: float, y: float, layer: str) -> str:
    raised = f'<tspan class="up" dy="-5">{layer}</tspan>'
    return text(x, y, f"H{raised}", "math mid")


def encoder(x: float, width: float) -> list[str]:
    parts = card(x, width, "encoder", "all hidden states")
    left, right = x + 16, x + width - 16
    heights = list(ROWS.values())
    for layer, y in ROWS.items():
        parts.append(box(left, y - 12, right - left, 24, "layer", 6))
        parts.append(layer_name((left + right) / 2 - 2, y + 5, layer))
    for above, below in zip(heights, heights[1:], strict=False):
        if below - above > 40:
            # Layers that are not drawn.
            for dot in (-7, 0, 7):
                centre = (left + right) / 2, (above + below) / 2 + dot
                parts.append(f'<circle cx="{centre[0]}" cy="{centre[1]}" r="1.6" class="gap"/>')
            continue
        # A short step between neighbors: up with the states, down with the gradient.
        parts.append(line("wire", (left + 24, below - 12), (left + 24, above + 12)))
        parts.append(line("thread", (right - 24, above + 12), (right - 24, below - 12)))
    return parts


def column(
    centre: float, read: dict[str, int], title: str, subtitle: str, component: str
) -> list[str]:
    left = centre - COLUMN_WIDTH / 2
    lowest = max(ROWS[layer] for layer in read)
    back = centre + SHIFT
    parts = [
        # One vector per wordpiece leaves at the top, and becomes one vector per token.
        line("go", (centre - 4, TOP), (centre - 4, 149)),
        line("come", (back, 144), (back, TOP - 6)),
        line("go", (centre - 4, 120), (centre - 4, 97)),
        line("come", (back, 92), (back, 114)),
        box(left, 50, COLUMN_WIDTH, 40, "component"),
        text(centre, 75, component, "on mid"),
        box(left, 120, COLUMN_WIDTH, 24, "pill", 12),
        text(centre, 136, "pieces → tokens", "tag mid"),
        line("wire", (centre - 4, lowest), (centre - 4, TOP)),
        line("thread", (back, TOP), (back, lowest + SHIFT)),
    ]
    for layer, size in read.items():
        y = ROWS[layer]
        parts.append(f'<circle cx="{centre - 4}" cy="{y}" r="{size}" class="dot"/>')
    if title == "DLFA":
        parts.append(text(centre - 14, ROWS["L"] - 7, "1 − W′", "weight"))
        parts.append(text(centre - 14, ROWS["x"] - 7, "W′", "weight"))
    return parts


def wires(start: float) -> list[str]:
    """From each layer to the columns that read it, and the gradient back beneath."""
    parts = []
    for layer, y in ROWS.items():
        ends = [centre for centre, read, *_ in COLUMNS if layer in read]
        parts.append(line("wire", (start, y), (max(ends) - 4, y)))
        parts.append(line("come", (max(ends) + SHIFT, y + SHIFT), (start + 6, y + SHIFT)))
    return parts


def draw() -> str:
    """RETURNS (str): The picture."""
    middle = (TOP + 400) / 2
    parts = [
        box(0.5, CEILING + 0.5, WIDTH - 1, HEIGHT - 1, "back", 12),
        *header(),
        *outputs(),
        *docs(30, 188),
        line("go", (218, middle), (237, middle)),
        *wordpieces(244, 150),
        line("go", (394, middle), (413, middle)),
        *encoder(420, 158),
    ]
    for centre, _, title, subtitle, _ in COLUMNS:
        parts += card(centre - COLUMN_WIDTH / 2, COLUMN_WIDTH, title, subtitle)
    parts += wires(562)
    for arguments in COLUMNS:
        parts += column(*arguments)
    arrow: Callable[[str], str] = lambda name: (  # noqa: E731
        f'<marker id="{name}" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" '
        f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 Z" class="{name}head"/></marker>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {CEILING} {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title">',
            '<title id="title">How dlfa_spacy works: texts become wordpieces, wordpieces become '
            "all layers of an encoder, each component aggregates the layers it reads and "
            "writes into the text, and gradients go back into every one of them.</title>",
            f"<style>{STYLE}{ENTITIES}</style>",
            f"<defs>{arrow('go')}{arrow('come')}</defs>",
            *parts,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    target = Path(__file__).with_name("how_it_works.svg")
    target.write_text(draw(), encoding="utf-8", newline="\n")
    print(f"Wrote {target.name}")
