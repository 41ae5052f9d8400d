"""Dictionaries and synonyms for the plans of code switching.

python docs/results/word_tables.py ENCODER PARALLEL OUT de,es,...

PARALLEL is text to train on, never to score with. OUT gets `dictionaries/<xx>-en.txt`, induced from
it, and `synonyms.json`: for each English word of a dictionary the three of these words that are
nearest by the encoder's own vectors, so that both tables have the same words and replace as many.
"""

import json
import sys
from pathlib import Path

import numpy

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.parallel import ParallelCorpus, induce_dictionaries, write_muse
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.sources import open_source
from dlfa_spacy.pipeline.states import all_sentence_states

N_SYNONYMS = 3


def main(encoder: str, parallel: Path, out: Path, languages: list[str]) -> None:
    found = induce_dictionaries(ParallelCorpus(parallel, languages=languages))
    for language, dictionary in found.items():
        write_muse(dictionary, out / "dictionaries" / f"{language}-en.txt")
        print(f"{language}: {len(dictionary)} entries")
    words = sorted({w for d in found.values() for w in d.backward if w.isalpha()})
    nlp = open_source(encoder)
    last = encoder_of(nlp).num_layers
    vectors = all_sentence_states(nlp, words, [last])[0].astype("float64")
    vectors -= vectors.mean(axis=0)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    numpy.fill_diagonal(cosines, -1)
    nearest = numpy.argsort(-cosines, axis=1)[:, :N_SYNONYMS]
    table = {word: [words[i] for i in row] for word, row in zip(words, nearest, strict=True)}
    write_text(out / "synonyms.json", json.dumps(table, ensure_ascii=False, indent=0) + "\n")
    print(f"synonyms of {len(table)} words")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].split(","))
