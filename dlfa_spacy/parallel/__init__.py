"""Sentences and their translations, and which words of them belong together."""

from .corpus import Counts, ParallelCorpus
from .dico import link_by_dictionary
from .dictionaries import induce_dictionaries, read_dictionaries
from .dictionary import WordDictionary
from .induce import Induced, induce_dictionary
from .muse import read_muse, write_muse
from .pair import Link, SentencePair, one_to_one
from .pharaoh import read_pharaoh, write_pharaoh, write_words
from .similarity import link_by_similarity
from .sources import Source, find_sources
from .words import WordSplitter, pair_docs

__all__ = [
    "Counts",
    "Induced",
    "Link",
    "ParallelCorpus",
    "SentencePair",
    "Source",
    "WordDictionary",
    "WordSplitter",
    "find_sources",
    "induce_dictionaries",
    "induce_dictionary",
    "link_by_dictionary",
    "link_by_similarity",
    "one_to_one",
    "pair_docs",
    "read_dictionaries",
    "read_muse",
    "read_pharaoh",
    "write_muse",
    "write_pharaoh",
    "write_words",
]
