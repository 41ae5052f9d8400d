"""From public corpus formats (CoNLL-U, IOB2, labeled texts and pairs) to spaCy Docs."""

from ..files.writing import replacing, write_text
from ..language import get_language, register_language_extension, set_language
from .conllu import read_conllu
from .convert import Conversion, Job, convert_files, plan, topics_of_jobs
from .docbin import write_docs
from .documents import sentence_to_doc, split_long
from .formats import detect_format, find_parts
from .iob2 import read_iob2
from .labelled_text import LabelledText, read_labelled_text
from .loading import ReadingOptions, read_docs
from .naming import Part
from .sentence import ReadingNotes, Sentence

__all__ = [
    "Conversion",
    "Job",
    "LabelledText",
    "Part",
    "ReadingNotes",
    "ReadingOptions",
    "Sentence",
    "convert_files",
    "detect_format",
    "find_parts",
    "get_language",
    "plan",
    "read_conllu",
    "read_docs",
    "read_iob2",
    "read_labelled_text",
    "register_language_extension",
    "replacing",
    "sentence_to_doc",
    "set_language",
    "split_long",
    "topics_of_jobs",
    "write_docs",
    "write_text",
]
