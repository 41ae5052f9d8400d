"""Errors that suggest what was meant."""

import sys
from pathlib import Path

import pytest
from places import ROOT

from dlfa_spacy.checks import check_choice, check_installed, nearest
from dlfa_spacy.encoder.storage.loading import encoder_location
from dlfa_spacy.files.near import did_you_mean, nearest_path
from dlfa_spacy.pipeline.sources import open_pipeline, open_source
from dlfa_spacy.recipes import make_config
from dlfa_spacy.runs.methods import make_method


def test_the_nearest_name_is_the_fix_and_the_usual_one_where_none_is_near() -> None:
    known = ("last", "mean", "scalar")
    with pytest.raises(ValueError, match='pooling = "skalar": .*Fix: pooling = "scalar"[.]'):
        check_choice("pooling", "skalar", known)
    with pytest.raises(ValueError, match="--pooling xyz: .*Fix: --pooling last[.]"):
        check_choice("--pooling", "xyz", known)
    assert nearest("MEEN", known) == "mean" and nearest("xyz", known) is None


def test_misspelt_tasks_aggregations_and_methods_are_suggested() -> None:
    with pytest.raises(ValueError, match="Fix: --task parser"):
        make_config("ner,parsr", "last")
    with pytest.raises(ValueError, match="Fix: --aggregation attention"):
        make_config("ner", "atention")
    with pytest.raises(ValueError, match="Fix: methods = scalar"):
        make_method("scaler", 12)


def test_a_path_is_suggested_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "training" / "model-best").mkdir(parents=True)
    meant = tmp_path / "training" / "model-best"
    assert nearest_path(tmp_path / "trainig" / "model-bst") == meant
    assert did_you_mean(tmp_path / "trainig") == f" Did you mean {meant.parent}?"
    assert did_you_mean(tmp_path / "corpus") == did_you_mean(tmp_path / "corpus" / "de") == ""


@pytest.mark.parametrize("load", [open_pipeline, open_source])
def test_the_folder_of_a_training_is_not_its_pipeline(load: object, tmp_path: Path) -> None:
    (tmp_path / "training" / "model-best").mkdir(parents=True)
    meant = f"did you mean {tmp_path / 'training' / 'model-best'}\\?"
    with pytest.raises(ValueError, match=meant):
        load(str(tmp_path / "training"))  # type: ignore[operator]


def test_a_misspelt_pipeline_or_encoder_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "training" / "model-best").mkdir(parents=True)
    (tmp_path / "encoders" / "mine").mkdir(parents=True)
    with pytest.raises(ValueError, match=f"Did you mean {tmp_path}/training/model-best\\?"):
        open_pipeline(f"{tmp_path}/trainin")
    with pytest.raises(ValueError, match=f"Did you mean {tmp_path}/encoders/mine\\?"):
        encoder_location(f"{tmp_path}/encoder/mine")
    with pytest.raises(ValueError, match="without meta.json.*expected") as error:
        open_pipeline(str(tmp_path))
    assert "Did you mean" not in str(error.value)


def test_a_missing_library_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_installed("numpy", "analysis", "Anything")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'^t-SNE needs sklearn.*"dlfa_spacy\[analysis\]".$'):
        check_installed("sklearn", "analysis", "t-SNE")
    with pytest.raises(ImportError, match="or leave it out.$"):
        check_installed("no_such_library.at_all", "analysis", "t-SNE", "leave it out")


def test_what_make_run_installs_starts_fast() -> None:
    # transformers imports scikit-learn, and that scipy and pandas, as soon as it finds it: a
    # quarter of the seconds that each of our commands takes to start.
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "\ntransformers==" in text and "\nscikit-learn==" not in text
