"""CoNLL-U (https://universaldependencies.org/format.html) to sentences.

The `conllu` package reads the format too, but its errors carry no line number and it builds an
object per field; here a wrong line of a treebank of any size is named in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..checks import check_choice
from ..files.errors import malformed
from ..files.lines import Block, blocks, numbered_lines
from .iob import is_iob, repair
from .multiword import highest_part
from .sentence import ReadingNotes, Sentence
from .trees import depths_of, is_tree
from .words import clean_form

UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
MULTIWORD = ("surface", "syntactic")

# No sentence has a billion words, and Python reads no number of more than 4,300 digits.
_ID = re.compile(r"^([0-9]{1,9})(?:([-.])([0-9]{1,9}))?$")
_HEAD = re.compile(r"[0-9]{1,9}")
# IOB2 values only: CorefUD puts brackets under the same key, and those are no entity tags.
_ENTITY = re.compile(r"(?:^|\|)Entity=(?:O(?=$|\|)|[BI]-)")
_TOPIC = re.compile(r"^#\s*topic\s*=(.*)")
_FEATURES = re.compile(r"[^=|\s]+=[^=|\s]+(?:\|[^=|\s]+=[^=|\s]+)*")
# spaCy's parser has its own name for the relation of a root.
_ROOT = "ROOT"
# UD's name for a relation that nobody told.
_UNSPECIFIED = "dep"


@dataclass
class ConlluFacts:
    """What has to be known about a whole file before its first sentence can be read.

    n_sentences (int): Number of sentences.
    has_upos (bool): Whether any word has a UPOS tag.
    has_features (bool): Whether any word has morphological features.
    has_entities (bool): Whether MISC has IOB2 tags under `Entity`.
    topics (Set[str]): All values of `# topic =`.
    topics_end (int): The line of the last that had not been there before.
    """

    n_sentences: int = 0
    has_upos: bool = False
    has_features: bool = False
    has_entities: bool = False
    topics: set[str] = field(default_factory=set)
    topics_end: int = 1


def scan_conllu(path: Path) -> ConlluFacts:
    """Look once through a file without checking it.

    path (Path): The file.
    RETURNS (ConlluFacts): What is in it.
    """
    facts = ConlluFacts()
    inside = False
    for number, line in numbered_lines(path):
        if not line.strip():
            inside = False
            continue
        if line.startswith("#"):
            topic = _topic(line)
            if topic and topic not in facts.topics:
                facts.topics.add(topic)
                facts.topics_end = number
            continue
        facts.n_sentences += not inside
        inside = True
        columns = line.split("\t")
        if len(columns) == 10:
            facts.has_upos = facts.has_upos or columns[3] in UPOS
            facts.has_features = facts.has_features or "=" in columns[5]
            facts.has_entities = facts.has_entities or _ENTITY.search(columns[9]) is not None
    return facts


def _topic(line: str) -> str:
    match = _TOPIC.match(line)
    return match[1].strip() if match else ""


@dataclass
class _Row:
    line: int
    first: int
    last: int
    form: str
    upos: str
    features: str
    head: int | None
    relation: str
    space: bool
    entity: str | None

    @property
    def multiword(self) -> bool:
        return self.last > self.first


def _misc(path: Path, line: int, misc: str, has_entities: bool) -> tuple[bool, str | None]:
    space, entity = True, None
    if misc == "_":
        return space, entity
    for item in misc.split("|"):
        key, _, value = item.partition("=")
        if key == "SpaceAfter" and value == "No":
            space = False
        elif key == "Entity" and has_entities:
            if not is_iob(value):
                raise malformed(
                    path,
                    line,
                    item,
                    "Entity=O, Entity=B-TYPE or Entity=I-TYPE in the MISC column",
                    "Write entities as IOB2 tags; a file must not mix them with other styles.",
                )
            entity = value
    return space, entity


def _parse_rows(path: Path, block: Block, has_entities: bool, notes: ReadingNotes) -> list[_Row]:
    rows: list[_Row] = []
    expected = 1
    multiword_end = 0
    for line, text in block:
        if text.startswith("#"):
            continue
        columns = text.split("\t")
        if len(columns) != 10:
            raise malformed(
                path,
                line,
                text,
                f"10 columns separated by tabs, not {len(columns)}",
                "Is this CoNLL-U? Token TAB tag files are read with --format iob2.",
            )
        match = _ID.match(columns[0])
        if match is None:
            raise malformed(
                path,
                line,
                columns[0],
                "an ID such as 3, 3-4 or 3.1",
                "Number the words of a sentence from 1.",
            )
        first, mark, second = int(match[1]), match[2], match[3]
        if mark == ".":
            notes.counts["empty_nodes"] += 1
            continue
        last = int(second) if second else first
        wrong_range = mark == "-" and (last <= first or first <= multiword_end)
        if first != expected or wrong_range:
            raise malformed(
                path,
                line,
                columns[0],
                f"the ID {expected}, or a multiword range that begins there and overlaps no other",
                "IDs must run from 1 without gaps; is a blank line between sentences missing?",
            )
        if mark == "-":
            multiword_end = last
        else:
            expected += 1
        upos = "" if columns[3] == "_" else columns[3]
        if upos and upos not in UPOS:
            raise malformed(
                path,
                line,
                columns[3],
                f"one of {' '.join(sorted(UPOS))} or _ in the UPOS column",
                "Map the tag set to UPOS first, or blank the column with _.",
            )
        if not columns[1]:
            raise malformed(
                path, line, columns[1], "a form in column 2", "Give the word a form or drop it."
            )
        features = "" if columns[5] == "_" else columns[5]
        if features and not _FEATURES.fullmatch(features):
            notes.counts["odd_features"] += 1
            features = ""
        space, entity = _misc(path, line, columns[9], has_entities)
        rows.append(
            _Row(
                line=line,
                first=first,
                last=last,
                form=columns[1],
                upos=upos,
                features=features,
                head=int(columns[6]) if _HEAD.fullmatch(columns[6]) else None,
                relation=_UNSPECIFIED if columns[7] == "_" else columns[7],
                space=space,
                entity=entity,
            )
        )
    if multiword_end >= expected:
        raise malformed(
            path,
            rows[-1].line,
            f"a sentence of {expected - 1} words",
            f"the words up to {multiword_end} that its multiword token spans",
            "Complete the sentence or correct the range.",
        )
    return rows


def _withheld(rows: list[_Row]) -> bool:
    # XTREME's rule: all forms, or all but one, are "_".
    forms = [row.form for row in rows]
    n_empty = forms.count("_")
    return n_empty > 0 and n_empty >= len(forms) - 1


def _surface_entity(row: _Row, parts: list[_Row]) -> str | None:
    # The row's own tag wins; else the first part that lies in an entity.
    if row.entity is not None:
        return row.entity
    tags = [part.entity for part in parts if part.entity not in (None, "O")]
    return tags[0] if tags else None


def _surface(rows: list[_Row], language: str) -> list[_Row]:
    words = {row.first: row for row in rows if not row.multiword}
    depths = depths_of({i: row.head for i, row in words.items() if row.head is not None})
    result: list[_Row] = []
    covered = 0
    for row in rows:
        if row.multiword:
            ids = list(range(row.first, row.last + 1))
            parts = [words[i] for i in ids]
            top = parts[highest_part(ids, [part.upos for part in parts], depths, language)]
            result.append(
                replace(
                    row,
                    upos=top.upos,
                    features=top.features,
                    head=top.head,
                    relation=top.relation,
                    entity=_surface_entity(row, parts),
                )
            )
            covered = row.last
        elif row.first > covered:
            result.append(row)
    return result


def _syntactic(rows: list[_Row]) -> list[_Row]:
    whole: dict[int, _Row] = {}
    for row in rows:
        if row.multiword:
            whole.update({i: row for i in range(row.first, row.last + 1)})
    result: list[_Row] = []
    for row in rows:
        if row.multiword:
            continue
        token = whole.get(row.first)
        if token is not None:
            space = token.space if row.first == token.last else True
            entity = row.entity
            if entity is None and token.entity not in (None, "O"):
                begins = row.first == token.first
                entity = token.entity if begins else f"I-{str(token.entity)[2:]}"
            row = replace(row, space=space, entity=entity)
        result.append(row)
    return result


def _tree(rows: list[_Row]) -> list[int] | None:
    """RETURNS (Optional[List[int]]): The place of each token's head, a root's being its own; `None`
    if HEAD is missing somewhere, or is no tree over these tokens."""
    places = {i: place for place, row in enumerate(rows) for i in range(row.first, row.last + 1)}
    heads: list[int] = []
    for place, row in enumerate(rows):
        head = place if row.head == 0 else places.get(row.head or -1)
        if head is None or (head == place and row.head != 0):
            return None
        heads.append(head)
    return heads if is_tree(heads) else None


def read_conllu(
    path: Path,
    *,
    language: str = "xx",
    multiword: str = "surface",
    remove_zwnj: bool = True,
    facts: ConlluFacts | None = None,
    notes: ReadingNotes | None = None,
) -> Iterator[Sentence]:
    """Read a CoNLL-U file as XTREME's preprocessing does.

    White space inside a token is glued, ZWNJ removed, sentences whose forms are withheld (`_`)
    and empty nodes (`8.1`) are left out. Entities come from `Entity=B-PER` and the like in MISC,
    the topic from a `# topic = ...` comment. Lemmas, XPOS and enhanced dependencies are not read.

    path (Path): The file.
    language (str): Language code; for the UPOS of multiword tokens (see `highest_part`).
    multiword (str): `"surface"`: one token per multiword token (`zum`), with the UPOS of its
        highest part, as XTREME does, and with its features, head and relation. `"syntactic"`: one
        token per syntactic word (`zu dem`), with a space between the parts, so the text is not the
        original one.
    remove_zwnj (bool): Whether to remove U+200C from forms, as XTREME does.
    facts (Optional[ConlluFacts]): The result of `scan_conllu`, to save that pass.
    notes (Optional[ReadingNotes]): Receives the counts of what was changed or left out.
    YIELDS (Sentence): The sentences, in order.
    RAISES (ValueError): On a malformed line, naming file and line.
    """
    check_choice("multiword", multiword, MULTIWORD)
    facts = facts or scan_conllu(path)
    notes = notes if notes is not None else ReadingNotes()
    counts = notes.counts
    for block in blocks(path):
        rows = _parse_rows(path, block, facts.has_entities, notes)
        if not rows:
            continue
        counts["multiword_tokens"] += sum(row.multiword for row in rows)
        rows = _surface(rows, language) if multiword == "surface" else _syntactic(rows)
        if _withheld(rows):
            counts["withheld_sentences"] += 1
            continue
        forms = [clean_form(row.form, notes, remove_zwnj=remove_zwnj) for row in rows]
        kept = [(form, row) for form, row in zip(forms, rows, strict=True) if form]
        if not kept:
            continue
        iob: list[str] | None = None
        if facts.has_entities:
            iob, n_repaired = repair([row.entity or "O" for _, row in kept])
            counts["repaired_tags"] += n_repaired
        topics = [topic for _, text in block if (topic := _topic(text))]
        heads = _tree([row for _, row in kept])
        counts["odd_trees"] += heads is None and any(row.head is not None for row in rows)
        counts["sentences"] += 1
        counts["tokens"] += len(kept)
        yield Sentence(
            words=[form for form, _ in kept],
            spaces=[row.space for _, row in kept[:-1]] + [False],
            upos=[row.upos for _, row in kept] if facts.has_upos else None,
            features=[row.features for _, row in kept] if facts.has_features else None,
            heads=heads,
            relations=None
            if heads is None
            else [_ROOT if row.head == 0 else row.relation for _, row in kept],
            iob=iob,
            topic=topics[0] if topics else None,
            line=block[0][0],
        )
