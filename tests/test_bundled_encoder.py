"""The encoder that the project ships: complete, small, and better than chance at languages."""

import json
from pathlib import Path

import pytest
from spacy.util import load_model_from_config
from transformers import AutoConfig, AutoTokenizer

from dlfa_spacy import layer_states
from dlfa_spacy.recipes import make_config

ROOT = Path(__file__).parent.parent
ENCODER = ROOT / "assets" / "encoder"
TRANSLATIONS = [
    ("The dog sleeps in the house.", "Der Hund schläft im Haus.", "El perro duerme en la casa."),
    ("We eat bread in the morning.", "Wir essen am Morgen Brot.", "Comemos pan por la mañana."),
    ("The president visited Rome.", "Der Präsident besuchte Rom.", "El presidente visitó Roma."),
    ("My brother reads a book.", "Mein Bruder liest ein Buch.", "Mi hermano lee un libro."),
    ("The war ended in May.", "Der Krieg endete im Mai.", "La guerra terminó en mayo."),
]  # fmt: skip


def test_it_is_complete_and_small() -> None:
    names = {path.name for path in ENCODER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "LICENSE"} <= names
    weights = [path for path in ENCODER.iterdir() if path.suffix in (".json", ".safetensors")]
    assert sum(path.stat().st_size for path in weights) <= 40 * 10**6
    assert "CC BY-SA 4.0" in (ENCODER / "LICENSE").read_text(encoding="utf-8")


def test_config_and_tokenizer_agree() -> None:
    config = AutoConfig.from_pretrained(ENCODER)
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    assert config.vocab_size == len(tokenizer)
    assert not json.loads((ENCODER / "config.json").read_text(encoding="utf-8")).get(
        "_name_or_path"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Zürich",
        "naïve",
        "Лондон",
        "Київ",
        "القاهرة",
        "दिल्ली",
        "北京",
        "Łódź",
        "İzmir",
        "Huế",
        "São",
    ],
)
def test_its_vocabulary_spells_its_languages(text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids


def test_capitals_make_a_difference() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    ids = {
        tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in ("Rose", "rose")
    }
    assert len(ids) == 2


def test_translations_are_near_each_other() -> None:
    nlp = load_model_from_config(make_config("ner", "last", encoder=str(ENCODER)), auto_fill=True)
    columns = []
    for column in zip(*TRANSLATIONS, strict=True):
        states = layer_states([nlp.make_doc(text) for text in column], nlp=nlp, layers=[-1])
        vectors = [state[0].mean(axis=0) for state in states]
        columns.append([vector / (vector**2).sum() ** 0.5 for vector in vectors])
    english, *others = columns
    for foreign in others:
        nearest = [max(range(5), key=lambda i: float(english[i] @ vector)) for vector in foreign]
        assert nearest == list(range(5))
