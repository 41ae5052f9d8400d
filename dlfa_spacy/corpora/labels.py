"""Labels of texts: what a corpus calls them, in which order, and which of them are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files.errors import malformed

# Hugging Face's number for a label that is withheld.
_WITHHELD = "-1"
# Fewer texts than this may well have one label by chance.
_ENOUGH = 20
_SHOWN = 20
# No class is numbered higher; Python reads no number of more than 4,300 digits at all.
_MAX_DIGITS = 9
# Every Doc holds a value for every label. What has more labels than this, or more than the first
# number and hardly two texts for each, is free text in the place of a label.
_MANY_LABELS = 1_000
_MAX_LABELS = 10_000


@dataclass(frozen=True)
class LabelScheme:
    """The labels of a known corpus.

    names (Tuple[str, ...]): All labels; empty if the corpus decides.
    spellings (Mapping[str, str]): Other spellings of them.
    undecided (Optional[str]): What stands for "the annotators did not agree".
    untranslated (Optional[str]): What stands in the place of a text that has no translation.
    filled_in (Optional[str]): The label that XTREME's code gives all texts whose labels are
        withheld.
    """

    names: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)
    undecided: str | None = None
    untranslated: str | None = None
    filled_in: str | None = None


# XTREME's order (third_party/processors/xnli.py); MNLI's machine-translated files say
# "contradictory", MNLI and SNLI write "-" where no majority was found.
NLI = LabelScheme(
    names=("contradiction", "entailment", "neutral"),
    spellings={"contradictory": "contradiction"},
    undecided="-",
    filled_in="neutral",
)
PARAPHRASE = LabelScheme(
    names=("not_paraphrase", "paraphrase"),
    spellings={"0": "not_paraphrase", "1": "paraphrase"},
    untranslated="NS",
    filled_in="not_paraphrase",
)
OPEN = LabelScheme()
SCHEMES: dict[str, LabelScheme] = {"tsv": OPEN, "jsonl": OPEN, "xnli": NLI, "pawsx": PARAPHRASE}


def order_labels(labels: Iterable[str]) -> list[str]:
    """Put labels in the order in which they are written everywhere.

    labels (Iterable[str]): The labels.
    RETURNS (List[str]): Without repetitions; numbers by size, names by the alphabet.
    """
    found = set(labels)
    if all(map(_is_number, found)):
        return sorted(found, key=int)
    return sorted(found)


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) <= _MAX_DIGITS


def check_label_count(path: Path, line: int, n_labels: int, n_texts: int) -> None:
    """Reject labels that are not classes.

    path (Path): The file.
    line (int): Where the last of the labels stands.
    n_labels (int): How many different ones.
    n_texts (int): Texts, or sentences, that have one.
    RAISES (ValueError): There are too many of them, or nearly every text has its own.
    """
    if n_labels > _MAX_LABELS or (n_labels > _MANY_LABELS and n_texts < 2 * n_labels):
        raise malformed(
            path,
            line,
            f"{n_labels:,} different labels of {n_texts:,} texts",
            f"classes: at most {_MAX_LABELS:,}, and from {_MANY_LABELS:,} on two texts of each",
            "Fix: name the right column, or join labels to fewer classes.",
        )


def _shown(names: Sequence[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


class LabelReader:
    """Reads the labels of one file, and remembers what it has seen there.

    path (Path): The file.
    scheme (LabelScheme): The labels of its format.
    names (Sequence[str]): The labels of the corpus; empty to take any.
    numbered (bool): Whether a number may stand for a name, by its place in `names`.
    """

    def __init__(
        self, path: Path, scheme: LabelScheme, names: Sequence[str] = (), *, numbered: bool = False
    ) -> None:
        self.path = path
        self.scheme = scheme
        self.names = tuple(names) or scheme.names
        self.numbered = numbered
        self._counts: dict[str, int] = {}
        self._first_line = 0
        self._by_number: bool | None = None

    def read(self, value: object, line: int) -> str | None:
        """Read one label.

        value (object): What the file says: a name or a number.
        line (int): Where.
        RETURNS (Optional[str]): Its name; `None` where the annotators did not agree.
        RAISES (ValueError): If it is not a label of this corpus.
        """
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise malformed(
                self.path,
                line,
                value,
                "a label that is a name or a whole number",
                "Fix: write the label of each text, or leave out texts that have none.",
            )
        raw = str(value).strip()
        # JSON can spell half of a character, which no DocBin can hold.
        if not raw.isascii() and any("\ud800" <= char <= "\udfff" for char in raw):
            raise malformed(
                self.path,
                line,
                raw,
                "a label without unpaired surrogates",
                "Fix: write both halves of the character, or remove it.",
            )
        if raw == self.scheme.undecided and raw not in self.names:
            return None
        name = self._name(raw, line)
        self._counts[name] = self._counts.get(name, 0) + 1
        self._first_line = self._first_line or line
        return name

    def _name(self, raw: str, line: int) -> str:
        if raw == _WITHHELD and raw not in self.names:
            raise malformed(
                self.path,
                line,
                raw,
                "a label; -1 says that it is withheld",
                "Fix: take a copy of the corpus that has its labels.",
            )
        if not self.names:
            return raw
        spelt = self.scheme.spellings.get(raw, raw)
        for name in (raw, spelt):
            if name in self.names:
                if spelt == raw:
                    self._remember(False, raw, line)
                return name
        is_number = _is_number(raw)
        if is_number and self.numbered and int(raw) < len(self.names):
            self._remember(True, raw, line)
            return self.names[int(raw)]
        fix = "Fix: correct the label, or give all labels of the corpus with --labels a,b,c."
        if is_number and not self.numbered:
            fix = "Fix: give the names of classes 0, 1, ... in this order with --labels a,b,c."
        raise malformed(self.path, line, raw, f"one of the labels {_shown(self.names)}", fix)

    def _remember(self, by_number: bool, raw: str, line: int) -> None:
        if not self.numbered:
            return
        if self._by_number not in (None, by_number):
            raise malformed(
                self.path,
                line,
                raw,
                "labels that are all names or all numbers of classes, as in the lines before",
                "Fix: write all labels of the file in one way.",
            )
        self._by_number = by_number

    def finish(self) -> None:
        """Look at the labels of the whole file.

        RAISES (ValueError): If they are what XTREME fills in for labels that are withheld.
        """
        filled_in = self.scheme.filled_in
        if set(self._counts) == {filled_in} and self._counts[str(filled_in)] >= _ENOUGH:
            raise malformed(
                self.path,
                self._first_line,
                filled_in,
                f"several labels, not this one for all {self._counts[str(filled_in)]} texts. It is "
                "what XTREME's code fills in where test labels are withheld",
                "Fix: take the official file (xnli.test.tsv, test_2k.tsv), which has the labels.",
            )
