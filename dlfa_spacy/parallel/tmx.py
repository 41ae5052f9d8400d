"""Parallel text as TMX, the exchange format of translation memories."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from ..files.plain_names import A_LANGUAGE, is_language
from ..files.writing import open_file
from .naming import ENGLISH
from .raw import RawPair

# Inside these elements is markup of another format, not text.
_CODES = {"bpt", "ept", "ph", "it", "ut"}
_BLOCK = 1 << 16
# The parser begins a tag or comment anew with every block until it is complete.
_MAX_TOKEN = 1 << 22
# What the parser knows by itself, and the tables of one byte per character it can ask Python for.
_OWN_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii")
_TABLES = re.compile(r"ascii|iso8859-\d+|cp125\d|koi8-\w|tis-620")


class _Units:
    """Collects the translation units of a file as the parser meets them.

    units (List[Tuple[int, List[Tuple[str, str]]]]): Line, and language and text of each variant, of
        the units that are complete and nobody has taken yet.
    """

    def __init__(self, path: Path, parser: expat.XMLParserType) -> None:
        self.path = path
        self.parser = parser
        self.units: list[tuple[int, list[tuple[str, str]]]] = []
        self._line = 0
        self._variants: list[tuple[str, str]] = []
        self._language = ""
        self._text: list[str] | None = None
        self._codes = 0
        parser.XmlDeclHandler = self._declaration
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = self._entity

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is None or encoding.lower() in _OWN_ENCODINGS:
            return
        try:
            name = codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            name = ""
        if not _TABLES.fullmatch(name):
            raise ValueError(
                f"{self.path}:{self.parser.CurrentLineNumber}: found the encoding {encoding!r}, "
                "expected UTF-8, UTF-16 or one of ISO-8859. Fix: save the file as UTF-8, and say "
                "so in its first line."
            )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tu":
            self._line, self._variants = self.parser.CurrentLineNumber, []
        elif name == "tuv":
            language = attributes.get("xml:lang") or attributes.get("lang")
            if not language:
                raise ValueError(
                    f"{self.path}:{self.parser.CurrentLineNumber}: found a <tuv> without language, "
                    'expected <tuv xml:lang="...">. Fix: add the attribute.'
                )
            # de-DE and DE are the same language here.
            self._language = language.replace("_", "-").split("-")[0].lower()
            if not is_language(self._language):
                raise ValueError(
                    f"{self.path}:{self.parser.CurrentLineNumber}: found xml:lang={language!r}, "
                    f"expected {A_LANGUAGE}. Fix: write the code of the language."
                )
        elif name == "seg":
            self._text = []
        elif name in _CODES:
            self._codes += 1

    def _data(self, text: str) -> None:
        if self._text is not None and not self._codes:
            self._text.append(text)

    def _end(self, name: str) -> None:
        if name in _CODES:
            self._codes -= 1
        elif name == "seg":
            self._variants.append((self._language, "".join(self._text or [])))
            self._text = None
        elif name == "tu":
            self.units.append((self._line, self._variants))

    def _entity(self, name: str, *_: object) -> NoReturn:
        raise ValueError(
            f"{self.path}:{self.parser.CurrentLineNumber}: found the declaration of the entity "
            f"{name!r}, expected none: entities that contain each other can fill any memory. Fix: "
            "write the characters themselves, and remove the declaration."
        )


def read_tmx(path: Path) -> Iterator[RawPair]:
    """Read a translation memory, in little memory however large it is.

    The parser is the one below `xml.etree.ElementTree.iterparse`, which has no switch against
    declared entities.

    path (Path): The file. Its languages are named by `xml:lang`; a unit gives a pair for every
        variant that is not English.
    YIELDS (RawPair): The pairs; a side may be empty.
    RAISES (ValueError): The file is not XML, in an unknown encoding, declares entities, or has no
        unit with English and another language.
    """
    parser = expat.ParserCreate()
    units = _Units(path, parser)
    n_units = n_pairs = 0
    languages: set[str] = set()
    n_bytes = 0
    with open_file(path) as file_:
        final = False
        while not final:
            block = file_.read(_BLOCK)
            final = not block
            try:
                parser.Parse(block, final)
            except expat.ExpatError as error:
                raise ValueError(
                    f"{path}:{error.lineno}: found {expat.ErrorString(error.code)!r}, expected "
                    "TMX. Fix: correct the XML, or name another file."
                ) from error
            n_bytes += len(block)
            if n_bytes - parser.CurrentByteIndex > _MAX_TOKEN + _BLOCK and not final:
                raise ValueError(
                    f"{path}:{parser.CurrentLineNumber}: found a tag or comment of more than "
                    f"{_MAX_TOKEN:,} bytes, expected TMX. Fix: correct the XML."
                )
            done, units.units = units.units, []
            for line, variants in done:
                n_units += 1
                languages.update(language for language, _ in variants)
                for pair in _pairs(path, line, variants):
                    n_pairs += 1
                    yield pair
    if not n_pairs:
        raise ValueError(
            f"{path}: found {n_units} translation units in {sorted(languages)}, none with English "
            "and another language. Expected <tuv xml:lang> of both. Fix: name another file."
        )


def _pairs(path: Path, line: int, variants: list[tuple[str, str]]) -> Iterator[RawPair]:
    english = next((text for language, text in variants if language == ENGLISH), None)
    for language, text in variants:
        if english is not None and language != ENGLISH:
            yield RawPair(language, text, english, f"{path}:{line}")
