"""The figures as Markdown tables, put between the markers of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.files.writing import write_text
from dlfa_spacy.optimization.speed.limit import BARE

from .doc import CLEANED, KEPT
from .figures import Figure, find
from .goals import NAMES, goals
from .load import AGAIN, FIRST
from .profile_parts import ALL
from .ratios import limit, share, speed, stock

YES, NO, OPEN = "yes", "**no**", "–"
MB = 1_000_000


def sections(figures: Sequence[Figure], settings: Mapping[str, str]) -> dict[str, str]:
    """Make every table that the figures allow.

    figures (Sequence[Figure]): What was measured.
    settings (Mapping[str, str]): "measure, encoder" -> how it was measured, one line.
    RETURNS (Dict[str, str]): Marker -> Markdown.
    """
    tables: dict[str, str] = {}
    for encoder in ("base", "own"):
        rows = find(figures, measure="predict", encoder=encoder)
        tables[f"speed-{encoder}"] = _predict(rows)
    makers: dict[str, Callable[[Sequence[Figure]], str]] = {
        "lengths": _lengths,
        "train": _train,
        "memory": _memory,
        "doc": _doc,
        "load": _load,
        "size": _size,
        "long": _long,
        "many": _many,
        "profile": _profile,
    }
    for measure, make in makers.items():
        tables[f"benchmark-{measure}"] = make(find(figures, measure=measure))
    found = {}
    for name, table in tables.items():
        if table:
            kind, _, rest = name.partition("-")
            if kind == "speed":
                how = _how("predict", [rest], settings)
            else:
                how = _how(rest, NAMES, settings)
            found[_marker(name)] = f"{table}\n{how}"
    if figures:
        found[_marker("benchmark-goals")] = _goals(figures)
    return found


def _how(measure: str, encoders: Iterable[str], settings: Mapping[str, str]) -> str:
    """RETURNS (str): When and on what a table was measured: each encoder, where they differ."""
    lines = {
        NAMES[encoder]: settings[f"{measure}, {encoder}"]
        for encoder in encoders
        if f"{measure}, {encoder}" in settings
    }
    if len(set(lines.values())) < 2:
        return next(iter(lines.values()), "")
    return "\n\n".join(f"{name}: {line}" for name, line in lines.items())


def write_page(path: Path, found: Mapping[str, str]) -> None:
    """Put tables into a page, all or nothing; those that it has no markers for are left out.

    path (Path): The page.
    found (Mapping[str, str]): Marker -> Markdown.
    RAISES (ValueError): The page has no marker of ours.
    """
    before = path.read_text(encoding="utf-8")
    known = [marker for marker in found if marker in before]
    if not known:
        raise ValueError(
            f"--page {path}: found none of the markers {', '.join(found)}. Expected one of them "
            "on two lines, around the place of its table. Fix: add it, or choose another page."
        )
    try:
        for marker in known:
            insert_between_markers(path, found[marker], marker)
    except ValueError:
        write_text(path, before)
        raise


def _marker(name: str) -> str:
    return f"<!-- dlfa:{name} -->"


def _number(value: float | None, digits: int = 2) -> str:
    return OPEN if value is None else f"{value:,.{digits}f}"


def _spread(figure: Figure) -> str:
    """How far rounds were apart."""
    return f"{figure.words / figure.high:,.0f}–{figure.words / figure.low:,.0f}"


def _predict(rows: Sequence[Figure]) -> str:
    if not rows:
        return ""
    best, other = limit(rows), stock(rows)
    table = markdown_table(
        ["system", "words/s", "slowest to fastest round", "of the limit", "times stock"],
        [
            [
                f"{f.system} (the limit)" if f is best else f.system,
                _number(f.words_per_second, 0),
                _spread(f),
                _number(speed(f, best)),
                _number(speed(f, other)),
            ]
            for f in rows
        ],
    )
    return (
        f"Prediction with a transformer and ner on the {NAMES[rows[0].encoder]}: "
        f"{rows[0].words:,} words, medians of {rows[0].rounds} interleaved rounds.\n\n{table}"
    )


def _lengths(rows: Sequence[Figure]) -> str:
    if not rows:
        return ""
    lines = []
    systems = [f.system for f in rows if not f.system.startswith(BARE)]
    names = list(dict.fromkeys(systems))
    for encoder in dict.fromkeys(f.encoder for f in rows):
        for kind in dict.fromkeys(f.texts for f in rows if f.encoder == encoder):
            own = find(rows, encoder=encoder, texts=kind)
            best = limit(own)
            cells = [kind, _number(best.words_per_second if best else None, 0)]
            for name in names:
                cells.append(_number(speed(find(own, system=name)[0], best)))
            lines.append(cells)
    return markdown_table(["texts", "limit, words/s", *names], lines)


def _train(rows: Sequence[Figure]) -> str:
    lines = []
    for encoder in dict.fromkeys(f.encoder for f in rows):
        for kind in dict.fromkeys(f.texts for f in rows):
            own = find(rows, encoder=encoder, texts=kind)
            lines += [
                [
                    f.system,
                    NAMES[encoder],
                    kind,
                    _number(f.value),
                    _number(share(f, stock(own))),
                ]
                for f in own
            ]
    header = ["system", "encoder", "sentences", "seconds per step", "of stock's"]
    return markdown_table(header, lines) if lines else ""


def _memory(rows: Sequence[Figure]) -> str:
    quantities = list(dict.fromkeys(f.quantity for f in rows))
    lines = []
    for encoder in dict.fromkeys(f.encoder for f in rows):
        for system in dict.fromkeys(f.system for f in rows):
            own = {f.quantity: f for f in find(rows, encoder=encoder, system=system)}
            cells = [system, NAMES[encoder]]
            for quantity in quantities:
                other = stock(find(rows, encoder=encoder, quantity=quantity))
                cells += [
                    _number(own[quantity].value / MB, 0),
                    _number(share(own[quantity], other)),
                ]
            lines.append(cells)
    header = ["system", "encoder"]
    for quantity in quantities:
        header += [f"{quantity}, MB", "of stock's"]
    return markdown_table(header, lines) if lines else ""


def _doc(rows: Sequence[Figure]) -> str:
    lines = []
    for system in dict.fromkeys(f.system for f in rows):
        own = {f.quantity: f.value for f in find(rows, system=system)}
        lines.append([system, *(_number(own.get(name), 0) for name in (KEPT, CLEANED))])
    header = ["system", "bytes per word", "with `doc_cleaner`, as in shipped configs"]
    return markdown_table(header, lines) if lines else ""


def _load(rows: Sequence[Figure]) -> str:
    lines = []
    for f in find(rows, quantity=FIRST):
        (again,) = find(rows, encoder=f.encoder, system=f.system, quantity=AGAIN)
        others = [
            stock(find(rows, encoder=f.encoder, quantity=quantity)) for quantity in (FIRST, AGAIN)
        ]
        lines.append(
            [
                f.system,
                NAMES[f.encoder],
                _number(f.value),
                _number(share(f, others[0])),
                _number(again.value),
                _number(share(again, others[1])),
            ]
        )
    header = ["system", "encoder", "import and load, s", "of stock's", "load again, s"]
    return markdown_table([*header, "of stock's"], lines) if lines else ""


def _size(rows: Sequence[Figure]) -> str:
    lines = [
        [
            f.system,
            NAMES[f.encoder],
            _number(f.value / MB, 1),
            _number(share(f, stock(find(rows, encoder=f.encoder)))),
        ]
        for f in rows
    ]
    header = ["pipeline", "encoder", "MB", "of stock's"]
    return markdown_table(header, lines) if lines else ""


def _long(rows: Sequence[Figure]) -> str:
    lines = []
    for f in find(rows, quantity="seconds"):
        (memory,) = find(rows, encoder=f.encoder, texts=f.texts, quantity="bytes")
        pieces = int(f.texts)
        lines.append(
            [
                f"{pieces:,}",
                f"{f.words:,}",
                _number(f.value, 1),
                _number(1e6 * f.value / pieces, 0),
                _number(memory.value / MB, 0),
                _number(memory.value / pieces, 0),
            ]
        )
    header = ["wordpieces in one Doc", "words", "seconds", "µs per wordpiece", "peak MB"]
    return markdown_table([*header, "bytes per wordpiece"], lines) if lines else ""


def _many(rows: Sequence[Figure]) -> str:
    lines = [[f"{int(f.texts):,}", _number(f.value / MB, 1)] for f in find(rows, quantity="bytes")]
    return markdown_table(["Docs so far", "memory of the process, MB"], lines) if lines else ""


def _profile(rows: Sequence[Figure]) -> str:
    lines = []
    labels = list(dict.fromkeys(f.texts for f in rows))
    for encoder in dict.fromkeys(f.encoder for f in rows):
        for part in dict.fromkeys(f.system for f in rows):
            cells = [part, NAMES[encoder]]
            for label in labels:
                own = find(rows, encoder=encoder, texts=label)
                total = find(own, system=ALL)
                for f in find(own, system=part):
                    cells += [
                        _number(1e6 * f.value / f.words, 1),
                        f"{100 * f.value / total[0].value:.1f} %",
                    ]
                if not find(own, system=part):
                    cells += [OPEN, OPEN]
            lines.append(cells)
    header = ["part", "encoder"]
    for label in labels:
        header += [f"{label}, µs per word", "share"]
    return markdown_table(header, lines) if lines else ""


def _goals(figures: Sequence[Figure]) -> str:
    reached = {True: YES, False: NO, None: OPEN}
    return markdown_table(
        ["what", "goal", "measured", "reached"],
        [[g.what, g.goal, g.measured, reached[g.reached]] for g in goals(figures)],
    )
