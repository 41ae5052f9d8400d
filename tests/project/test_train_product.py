"""What the script that trains the shipped pipeline makes of corpora and of the shipped configs."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import spacy
from places import ROOT
from spacy.tokens import Doc

from dlfa_spacy.recipes import listeners

SCRIPT = ROOT / "scripts" / "train_product.py"


@pytest.fixture(scope="module")
def product() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_product", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_paragraphs_keep_every_sentence_in_order(product: ModuleType) -> None:
    nlp = spacy.blank("xx")
    sentences = [Doc(nlp.vocab, words=[f"w{i}", "."], spaces=[False, False]) for i in range(40)]
    made = list(product.paragraphs(nlp, sentences, seed=0))
    found = [sent.text for doc in made for sent in doc.sents]
    assert found == [f"w{i}." for i in range(40)]
    assert 1 < len(made) < 40
    assert all(" w" in doc.text for doc in made if len(list(doc.sents)) > 1), "no space between"
    again = list(product.paragraphs(nlp, sentences, seed=0))
    assert [doc.text for doc in again] == [doc.text for doc in made]


def test_every_run_trains_on_a_frozen_encoder_and_writes_what_chooses(
    product: ModuleType, bert: str, tmp_path: Path
) -> None:
    for task in product.TASKS:
        for name in task.aggregations:
            block: dict[str, Any] = product.AGGREGATIONS[name]
            config = product.training_config(task, block, Path(bert), tmp_path, seed=3)
            assert config["training"]["frozen_components"] == ["transformer"]
            assert config["training"]["score_weights"] == {task.score: 1.0}
            assert config["system"]["seed"] == 3
            assert task.component in config["nlp"]["pipeline"]
            assert [found["aggregation"] for found in listeners(config["components"])] == [block]
            trained = config["components"][task.component]["model"]
            assert trained["tok2vec"]["@architectures"] == (
                "dlfa_spacy.TransformerListener.v1"
                if task.component == "textcat"
                else "spacy.Tok2Vec.v2"
            )
