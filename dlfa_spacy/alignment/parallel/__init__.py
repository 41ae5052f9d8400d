"""Sentences and their translations, and which words of them belong together."""

from .corpus import ParallelCorpus
from .counts import Counts
from .dico import link_by_dictionary
from .dictionaries import induce_dictionaries, read_dictionaries
from .dictionary import WordDictionary
from .induce import Induced, induce_dictionary
from .muse import read_muse, write_muse
from .one_to_one import one_to_one
from .pair import Link, SentencePair
from .pharaoh import read_pharaoh, write_pharaoh, write_words
from .sources import Source, find_sources
from .word_pieces import LinkedRows, linked_rows
from .words import WordSplitter, pair_docs

__all__ = [
    "Counts",
    "Induced",
    "Link",
    "LinkedRows",
    "ParallelCorpus",
    "SentencePair",
    "Source",
    "WordDictionary",
    "WordSplitter",
    "find_sources",
    "induce_dictionaries",
    "induce_dictionary",
    "link_by_dictionary",
    "linked_rows",
    "one_to_one",
    "pair_docs",
    "read_dictionaries",
    "read_muse",
    "read_pharaoh",
    "write_muse",
    "write_pharaoh",
    "write_words",
]
