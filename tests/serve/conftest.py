"""A server with a tiny pipeline of everything that the page shows."""

from collections.abc import Iterator

import pytest
from serving import Client, serving, tiny
from spacy.language import Language

from dlfa_spacy.serve import ServedPipeline


@pytest.fixture(scope="session")
def nlp(bert: str) -> Language:
    return tiny(bert)


@pytest.fixture(scope="session")
def client(nlp: Language) -> Iterator[Client]:
    with serving([ServedPipeline("tiny", nlp)]) as found:
        yield found
