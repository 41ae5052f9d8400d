"""After a pipeline of ours, Docs behave as they do after a stock one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from life import FACTORIES, config, encoder_block, initialized, listener, stock_listener, trained
from spacy import displacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import load_model_from_config
from spacy_transformers.data_classes import TransformerData

from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.language import get_language
from dlfa_spacy.layers.architectures import OutputWarning
from dlfa_spacy.recipes import available, make_config

TEXT, OTHER = "Anna lives in Berlin", "the un able"


@pytest.fixture
def no_language() -> Iterator[None]:
    """Extensions are global; this is how it was before anything of ours was imported."""
    old = Doc.remove_extension("language") if Doc.has_extension("language") else None
    yield
    if Doc.has_extension("language"):
        Doc.remove_extension("language")
    if old is not None:
        Doc.set_extension("language", default=old[0], getter=old[2], setter=old[3])


def cleaned(bert: str, cleaner: str) -> Language:
    made = config(bert, ["tagger"], "attention")
    made["components"]["doc_cleaner"] = {"factory": cleaner}
    made["nlp"]["pipeline"].append("doc_cleaner")
    return initialized(load_model_from_config(made, auto_fill=True))


@pytest.mark.parametrize("task", available("tasks"))
def test_shipped_configs_leave_docs_like_stock_ones(task: str, bert: str) -> None:
    # The cleaner alone: what it does to a Doc needs no training.
    made = load_model_from_config(make_config(task, "last", encoder=bert), auto_fill=True)
    cleaner = made.get_pipe(made.pipe_names[-1])
    stock = spacy.blank("xx")
    doc, other = (cleaner(made.make_doc(text)) for text in (TEXT, OTHER))
    expected = stock(TEXT)
    assert doc.tensor.shape == expected.tensor.shape and doc.tensor.dtype == expected.tensor.dtype
    assert doc.has_vector is expected.has_vector is False
    assert doc[:2].as_doc().text == expected[:2].as_doc().text
    with pytest.warns(UserWarning, match="W00"):
        assert doc.similarity(other) == expected.similarity(stock(OTHER)) == 0.0


def test_tensors_of_other_components_stay(bert: str) -> None:
    nlp = cleaned(bert, "dlfa_doc_cleaner")
    nlp.add_pipe("dlfa_sentence_vectors", before="doc_cleaner")
    doc = nlp(TEXT)
    assert doc.tensor.shape[0] == len(doc) and doc.has_vector
    assert doc._.trf_data is None
    assert doc[:2].as_doc().tensor.shape[0] == 2


def test_a_pipeline_saved_with_the_stock_cleaner_loads(bert: str, tmp_path: Path) -> None:
    nlp = cleaned(bert, "doc_cleaner")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("doc_cleaner").cfg["attrs"] == {"tensor": None, "_.trf_data": None}
    assert [t.tag_ for t in loaded(TEXT)] == [t.tag_ for t in nlp(TEXT)]


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer", "replaced"])
def test_loading_registers_the_language(
    factory: str, bert: str, tmp_path: Path, no_language: None
) -> None:
    replaced = factory == "replaced"
    made = config(bert, ["tagger"], "attention", "dlfa_transformer" if replaced else factory)
    nlp = initialized(load_model_from_config(made, auto_fill=True))
    if replaced:
        nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
        nlp.remove_pipe("transformer")
    nlp.to_disk(tmp_path)
    Doc.remove_extension("language")
    doc = spacy.load(tmp_path)(TEXT)
    assert doc._.language is None
    doc._.language = "de"
    assert doc._.language == get_language(doc) == "de"


def test_a_language_extension_of_the_user_stays(bert: str, no_language: None) -> None:
    Doc.set_extension("language", getter=lambda doc: "theirs")
    nlp = initialized(load_model_from_config(config(bert, ["tagger"], "attention"), auto_fill=True))
    assert nlp(TEXT)._.language == "theirs"


@pytest.mark.slow
def test_other_pipelines_register_nothing() -> None:
    # spaCy imports the factories of every installed package whatever the pipeline: in a process
    # that has not done so yet.
    code = """
import spacy
from spacy.tokens import Doc
nlp = spacy.blank("xx")
assert nlp.has_factory("dlfa_transformer")
Doc.set_extension("language", default="theirs")
print(nlp("Anna")._.language)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "theirs", done.stderr


def test_displacy_colours_each_type_of_entity() -> None:
    doc = Doc(spacy.blank("xx").vocab, words=["Anna", "Siemens", "Berlin", "x"])
    doc.ents = [Span(doc, i, i + 1, label) for i, label in enumerate(["PER", "ORG", "LOC", "NEW"])]
    html = displacy.render(doc, style="ent", jupyter=False)
    marks = [part.split(";")[0] for part in html.split("<mark")[1:]]
    colors = [mark.split("background: ")[1] for mark in marks]
    assert len(set(colors)) == 4
    # The last one is what spaCy gives to a label that it has no color for.
    assert colors[3] == "#ddd"


@pytest.mark.parametrize("factory", FACTORIES)
def test_everything_among_the_tensors_is_one_of_the_encoder(bert: str, factory: str) -> None:
    nlp = trained(bert, {"tagger": listener("attention"), "ner": stock_listener()}, factory=factory)
    nlp.get_pipe("transformer").model.attrs["get_spans"] = WordpieceSpans(8, 4)  # type: ignore[attr-defined]
    doc = nlp(" ".join([TEXT] * 5))
    data = doc._.trf_data
    rows = data.wordpieces.input_ids.size
    assert all(tensor.shape[1:] == (rows, 32) for tensor in data.tensors)
    assert data.tensors[0] is data.model_output["last_hidden_state"]
    assert sum(data.window_lengths) == rows and len(data.window_lengths) > 3
    stored = Doc(nlp.vocab).from_bytes(doc.to_bytes())._.trf_data
    assert type(stored) is TransformerData
    assert stored.wordpieces.lengths == data.window_lengths.tolist()
    assert [tensor.shape for tensor in stored.tensors] == [t.shape for t in data.tensors]


def test_outputs_that_no_doc_will_have_are_named_at_load(bert: str, tmp_path: Path) -> None:
    made = config(bert, ["tagger"], "attention")
    made["components"]["transformer"] = encoder_block(bert)
    made["components"]["transformer"]["model"]["transformer_config"] = {"output_attentions": True}
    with pytest.warns(OutputWarning, match="output_attentions = true.*Fix:"):
        nlp = initialized(load_model_from_config(made, auto_fill=True))
    nlp.to_disk(tmp_path)
    with pytest.warns(OutputWarning, match="output_attentions = true.*Fix:"):
        doc = spacy.load(tmp_path)(TEXT)
    assert all(tensor.ndim == 3 for tensor in doc._.trf_data.tensors)
