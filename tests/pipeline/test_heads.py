"""A pipeline without its encoder, and put together again."""

from pathlib import Path

import pytest
import spacy
from life import assert_same, initialized, listener, pipeline, trained

from dlfa_spacy.pipeline.heads import load_heads, save_heads


def test_components_and_encoder_give_the_pipeline_they_were(bert: str, tmp_path: Path) -> None:
    nlp = initialized(pipeline(bert, {"tagger": listener("mix"), "ner": listener("mean")}))
    save_heads(nlp, tmp_path / "heads")
    assert not (tmp_path / "heads" / "transformer").exists()
    loaded = load_heads(tmp_path / "heads", bert)
    assert_same(nlp, loaded)
    # It is a pipeline like any other from here on.
    loaded.to_disk(tmp_path / "whole")
    assert_same(nlp, spacy.load(tmp_path / "whole"))


def test_saving_again_leaves_nothing_of_before(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": listener("mean"), "ner": listener("mean")})
    save_heads(nlp, tmp_path / "heads")
    nlp.remove_pipe("ner")
    save_heads(nlp, tmp_path / "heads")
    assert not (tmp_path / "heads" / "ner").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heads"]


def test_a_folder_that_is_no_pipeline_is_named(bert: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"config.cfg.*Fix"):
        load_heads(tmp_path, bert)
    with pytest.raises(ValueError, match=r"no encoder.*dlfa_transformer"):
        save_heads(spacy.blank("xx"), tmp_path / "heads")
    assert not (tmp_path / "heads").exists()
