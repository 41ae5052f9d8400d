"""The corpus of few_shot.md: parts of what other pages score on.

python docs/results/few_shot.py corpus/xtreme/ner corpus/few_shot de,ru,ar,zh

Of each language 200 sentences to train on and 300 others to score, both drawn with seed 0 from its
one file; of English, which has splits, 300 sentences of test and all of train.
"""

import sys
from pathlib import Path

from dlfa_spacy.corpora.docbin import write_docs
from dlfa_spacy.corpora.folder import find_languages
from dlfa_spacy.corpora.loading import read_docs
from dlfa_spacy.corpora.subset import sample

N_TRAIN, N_TEST = 200, 300

if __name__ == "__main__":
    source, target, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
    for files in find_languages(source, ("test", "dev"), ["en", *names]):
        docs = list(read_docs(files.paths[0], language=files.language))
        own = target / files.language
        if files.language == "en":
            write_docs(sample(docs, len(docs), N_TEST, 0), own / "test.spacy")
            write_docs(read_docs(source / "en" / "train.spacy", language="en"), own / "train.spacy")
            continue
        # Some texts are there more than once.
        docs = list({doc.text: doc for doc in docs}.values())
        drawn = list(sample(range(len(docs)), len(docs), N_TRAIN + N_TEST, 0))
        train = set(sample(drawn, len(drawn), N_TRAIN, 0))
        write_docs((docs[i] for i in drawn if i in train), own / "train.spacy")
        write_docs((docs[i] for i in drawn if i not in train), own / "test.spacy")
