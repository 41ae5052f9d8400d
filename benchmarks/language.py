"""Which detector of languages: speed, size, memory and accuracy, on texts of many languages.

    pip install "dlfa_spacy[language]" langdetect py3langid pycld2
    python benchmarks/language.py CORPUS --page docs/language.md
    python benchmarks/language.py CORPUS --page docs/language.md --marker language-threshold \\
        --by-threshold

CORPUS has `<lang>/test.spacy`, as `dlfa convert` writes them, or any other format that it reads.
Detectors that are not installed are left out. Each runs in a process of its own, on one thread: its
memory is its own then.
"""

import functools
import importlib.metadata
import importlib.util
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from dlfa_spacy.corpora import read_docs
from dlfa_spacy.files.markers import insert_between_markers

LETTERS = (None, 40, 20, 10, 5)
THRESHOLDS = (0.0, 0.5, 0.7, 0.9)
HEAD = ["detector", "languages", "MB on disk", "MB in memory", "load, s", "texts/s"]
# Code of the detector -> code of the corpora.
SAME = {"fil": "tl", "iw": "he", "no": "nb", "zh-cn": "zh", "zh-tw": "zh", "zh-Hant": "zh"}
Detect = Callable[[str], str | None]


def lingua(chosen: list[str] | None, fast: bool = False) -> tuple[Detect, int]:
    from dlfa_spacy.pipeline.lingua_detector import known_languages, load_detector

    detector = load_detector(chosen, high_accuracy=not fast)
    return lambda text: detector.detect(text)[0], len(chosen or known_languages())


def langdetect(chosen: list[str] | None) -> tuple[Detect, int]:
    from langdetect import DetectorFactory, LangDetectException, detector_factory

    # Its answers are drawn at random unless they have a seed.
    DetectorFactory.seed = 0
    detector_factory.init_factory()

    def detect(text: str) -> str | None:
        try:
            return str(detector_factory.detect(text))
        except LangDetectException:
            return None

    return detect, len(detector_factory._factory.langlist)


def py3langid(chosen: list[str] | None) -> tuple[Detect, int]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    known = list(identifier.nb_classes)
    if chosen:
        known = [code for code in chosen if code in known]
        identifier.set_languages(known)
    return lambda text: str(identifier.classify(text)[0]), len(known)


def pycld2(chosen: list[str] | None) -> tuple[Detect, int]:
    import pycld2

    def detect(text: str) -> str | None:
        try:
            return str(pycld2.detect(text)[2][0][1])
        except pycld2.error:
            return None

    return detect, len(pycld2.DETECTED_LANGUAGES)


# Name -> module, distribution, how to make it, whether it is told the languages of the corpus.
Row = tuple[str, str, Callable[..., tuple[Detect, int]], bool]
LINGUA = ("lingua", "lingua-language-detector")
DETECTORS: dict[str, Row] = {
    "lingua, languages given": (*LINGUA, functools.partial(lingua, fast=True), True),
    "lingua, languages given, `high_accuracy`": (*LINGUA, lingua, True),
    "lingua": (*LINGUA, functools.partial(lingua, fast=True), False),
    "lingua, `high_accuracy`": (*LINGUA, lingua, False),
    "py3langid, languages given": ("py3langid", "py3langid", py3langid, True),
    "py3langid": ("py3langid", "py3langid", py3langid, False),
    "langdetect": ("langdetect", "langdetect", langdetect, False),
    "pycld2": ("pycld2", "pycld2", pycld2, False),
}


def main(
    corpus: Annotated[Path, typer.Argument(help="Folder of <lang>/<split>.<format>.")],
    split: Annotated[str, typer.Option(help="Which files.")] = "test",
    limit: Annotated[int, typer.Option(help="Texts a language.")] = 100,
    page: Annotated[
        Path | None, typer.Option(help="Put the table between the markers of this file.")
    ] = None,
    marker: Annotated[str, typer.Option(help="<!-- dlfa:MARKER -->")] = "language",
    by_threshold: Annotated[
        bool, typer.Option(help="Not the detectors, but thresholds of the one that was chosen.")
    ] = False,
    one: Annotated[str, typer.Option(help="Only this one, as JSON: what the script calls.")] = "",
) -> None:
    """Print a Markdown table."""
    texts = {
        path.parent.name: [doc.text for doc in itertools.islice(read_docs(path), limit)]
        for path in sorted(corpus.glob(f"*/{split}.*"))
    }
    if one:
        print(json.dumps(measure(one, texts)))
        return
    text = thresholds(texts) if by_threshold else compare(corpus, split, limit, texts)
    print(text)
    if page is not None:
        insert_between_markers(page, text, f"<!-- dlfa:{marker} -->")


def compare(corpus: Path, split: str, limit: int, texts: dict[str, list[str]]) -> str:
    """RETURNS (str): A table of the detectors that are installed."""
    rows = []
    for name, (module, *_) in DETECTORS.items():
        if importlib.util.find_spec(module) is not None:
            command = [sys.executable, __file__, str(corpus), "--one", name]
            command += ["--split", split, "--limit", str(limit)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return markdown(rows, texts)


def measure(name: str, texts: dict[str, list[str]]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): A row of the table."""
    _, distribution, make, told = DETECTORS[name]
    before = memory()
    started = time.perf_counter()
    detect, known = make(list(texts) if told else None)
    # Most load what they need with the first text in a language.
    for some in texts.values():
        detect(some[0])
    load = time.perf_counter() - started
    row: dict[str, Any] = {"detector": name, "known": known, "load": load}
    started = time.perf_counter()
    whole = accuracy(detect, texts, None)
    row["speed"] = sum(map(len, texts.values())) / (time.perf_counter() - started)
    row["memory"] = memory() - before
    row["accuracy"] = [whole, *(accuracy(detect, texts, size) for size in LETTERS[1:])]
    files = importlib.metadata.files(distribution) or []
    row["disk"] = sum(file.size or 0 for file in files) / 1e6
    row["version"] = f"{distribution} {importlib.metadata.version(distribution)}"
    return row


def accuracy(detect: Detect, texts: dict[str, list[str]], size: int | None) -> float:
    """RETURNS (float): The mean over languages of the share of texts whose language is right."""
    shares = []
    for language, some in texts.items():
        found = [detect(text if size is None else first_letters(text, size)) for text in some]
        right = [SAME.get(code or "", code) == language for code in found]
        shares.append(sum(right) / len(right))
    return sum(shares) / len(shares)


def thresholds(texts: dict[str, list[str]]) -> str:
    """RETURNS (str): A table of how many languages are known, and how many of these are right."""
    from dlfa_spacy.pipeline.lingua_detector import load_detector

    names = {size: "whole text" if size is None else f"{size} letters" for size in LETTERS}
    lines = [f"| `high_accuracy` | `threshold` | {' | '.join(names.values())} |"]
    lines.append("|---|---:" + "|---:" * len(names) + "|")
    for accurate in (False, True):
        detector = load_detector(None, high_accuracy=accurate)
        guesses = {
            size: [
                (*detector.detect(text if size is None else first_letters(text, size)), language)
                for language, some in texts.items()
                for text in some
            ]
            for size in LETTERS
        }
        for threshold in THRESHOLDS:
            cells = [str(accurate).lower(), str(threshold)]
            for answers in guesses.values():
                known = [code == right for code, sure, right in answers if sure >= threshold]
                share, correct = len(known) / len(answers), sum(known) / max(1, len(known))
                cells.append(f"{100 * share:.0f}, {100 * correct:.1f}")
            lines.append(f"| {' | '.join(cells)} |")
    note = "Percent of the texts whose language is known, and percent of these that are right."
    return "\n".join([note, "", *lines])


def first_letters(text: str, size: int) -> str:
    """RETURNS (str): The beginning of a text, up to so many letters."""
    ends = (i + 1 for i, letter in enumerate(text) if letter.isalpha())
    return text[: next(itertools.islice(ends, size - 1, None), len(text))]


def memory() -> float:
    """RETURNS (float): The most that the process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def markdown(rows: list[dict[str, Any]], texts: dict[str, list[str]]) -> str:
    from dlfa_spacy.optimization.speed.machine import processor

    head = [*HEAD, "whole text", *(f"{size} letters" for size in LETTERS[1:])]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in rows:
        cells = [row["detector"], str(row["known"]), f"{row['disk']:.0f}", f"{row['memory']:.0f}"]
        cells += [f"{row['load']:.1f}", f"{row['speed']:,.0f}"]
        cells += [f"{100 * share:.1f}" for share in row["accuracy"]]
        lines.append(f"| {' | '.join(cells)} |")
    lengths = sorted(len(text) for some in texts.values() for text in some)
    versions = ", ".join(dict.fromkeys(row["version"] for row in rows))
    note = (
        f"{len(lengths):,} texts in {len(texts)} languages (median: {lengths[len(lengths) // 2]} "
        f"characters), one thread, {processor()}; {versions}. The right-hand columns are accuracy "
        "in percent, the mean over languages, of whole texts and of their first letters."
    )
    return "\n".join([note, "", *lines])


if __name__ == "__main__":
    typer.run(main)
