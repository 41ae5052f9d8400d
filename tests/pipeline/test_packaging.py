"""What a package may be called, and what its card says. That it installs: test_serialization.py."""

from pathlib import Path

import pytest
import spacy

from dlfa_spacy.pipeline.packaging import build_package, make_card, read_scores


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "My-ner"}, "--name 'My-ner': expected lower-case letters"),
        ({"name": "../x"}, "--name"),
        ({"name": "x", "version": "one"}, "--version 'one': expected such as 0.1.0"),
    ],
)
def test_a_name_that_is_none_is_refused(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        build_package(spacy.blank("xx"), tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no scores.md in it.*dlfa evaluate MODEL"):
        read_scores(tmp_path)


def test_a_card_says_how_to_load_it_and_what_is_not_stated() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    card = make_card(nlp, "small")
    assert 'nlp = spacy.load("xx_small")' in card
    assert "Components: sentencizer. License: not stated." in card and "Scores" not in card
