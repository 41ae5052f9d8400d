"""The embedded corpus is tagged as Universal Dependencies are: a tagger of the one finds the other
no harder. The built-in twin of this test is the validation in test_corpus.py."""

from pathlib import Path

import pytest
from places import ROOT
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.evaluation import evaluate
from dlfa_spacy.recipes import make_config

LANGUAGES = ["en", "de", "es", "fr", "nl", "pt", "ru", "ar", "hi", "zh"]
# Percentage points; the standard error of one language is about 2, and there are ten of them.
TOLERANCE = 6.0


def convert(source: Path, target: Path, *options: str) -> None:
    result = CliRunner().invoke(app, ["convert", str(source), str(target), "--quiet", *options])
    assert result.exit_code == 0, result.output


def scores(nlp: object, folder: Path) -> dict[str, float]:
    found = evaluate(nlp, folder, languages=LANGUAGES, limit=150)  # type: ignore[arg-type]
    return {
        result.language: 100.0 * result.scores["pos_token_accuracy"] for result in found.languages
    }


@pytest.mark.slow
def test_a_tagger_of_english_ud_finds_it_no_harder_than_ud(
    data_folder: Path, tmp_path: Path
) -> None:
    import spacy

    ud, ours = tmp_path / "ud", tmp_path / "ours"
    convert(data_folder / "pos", ud, "--langs", ",".join(LANGUAGES), "--splits", "test,dev")
    convert(ROOT / "assets" / "corpus", ours)
    english = tmp_path / "train.spacy"
    convert(data_folder / "pos" / "en" / "train.conllu", english, "--lang", "en", "--limit", "1500")
    path = tmp_path / "pos.cfg"
    encoder = str(ROOT / "assets" / "encoder")
    make_config("pos", "last", encoder=encoder, steps=100, learn_rate=5e-4).to_disk(path)
    fill_config(path, path, silent=True)
    paths = {"paths.train": str(english), "paths.dev": str(ours / "en" / "dev.spacy")}
    train(path, tmp_path / "model", overrides={**paths, "training.eval_frequency": 100})
    nlp = spacy.load(tmp_path / "model" / "model-last")
    on_ud, on_ours = scores(nlp, ud), scores(nlp, ours)
    assert on_ud.keys() == on_ours.keys() == set(LANGUAGES)
    harder = {lang: on_ud[lang] - on_ours[lang] for lang in LANGUAGES}
    assert max(harder.values()) < TOLERANCE, harder
    assert sum(harder.values()) / len(harder) < 2.0, harder
