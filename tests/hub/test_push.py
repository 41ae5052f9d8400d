"""What is pushed to the Hub, and what arrives at a stand-in for it."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import TOKEN, Hub, running_hub
from huggingface_hub import constants
from huggingface_hub.utils import reset_sessions
from spacy.language import Language
from spacy.util import load_model_from_config
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.hub.card import encoder_keys, license_keys, with_head, with_section
from dlfa_spacy.hub.push import check_ready, push
from dlfa_spacy.hub.repository import Repository
from dlfa_spacy.hub.scores import languages, results_of_meta
from dlfa_spacy.recipes import make_config


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as found:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        reset_sessions()
        yield found
    reset_sessions()


@pytest.fixture(scope="module")
def pipeline(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pipeline with its scores in two languages."""
    folder = tmp_path_factory.mktemp("pipeline")
    config = make_config("ner", "last", encoder=bert)
    nlp: Language = load_model_from_config(config.interpolate(), auto_fill=True)
    ner = nlp.get_pipe("ner")
    ner.add_label("PER")  # type: ignore[attr-defined]
    nlp.initialize()
    nlp.to_disk(folder / "model")
    return folder


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    result = {"split": "test", "n_docs": 2, "scores": {"ner_span_f1": 0.61234}}
    content = {
        "format": "dlfa_spacy.scores.v1",
        "run": {"name": "x", "variant": "last", "seed": 0, "eval_data": "my news"}
        | {"train_data": "English news"},
        "settings": {"tokens": "gold", "source": "en", "limit": 0},
        "model": {"encoder": "bert"},
        "languages": {"en": result, "zh-hans": result},
    }
    (folder / "scores.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "scores.md").write_text("# Scores of x\n\n| zh-hans | 61.2 |\n", encoding="utf-8")
    return folder


def dlfa(*arguments: object) -> str:
    found = CliRunner().invoke(app, ["push", *map(str, arguments)])
    assert found.exit_code in (0, 1), found.output
    return " ".join(found.output.split())


def head(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.slow
def test_a_dry_run_writes_a_package_with_a_card_and_pushes_it_byte_for_byte(
    pipeline: Path, scores: Path, hub: Hub, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = dlfa(
        *(pipeline / "model", "--repo", "my-org/xx_tiny", "--scores", scores, "--dry-run", out),
        *("--license", "CC BY-SA 4.0", "--version", "1.2.3"),
    )
    assert "nothing was pushed" in said and not hub.repositories
    assert {"config.cfg", "meta.json", "README.md", "ner", "transformer", "vocab"} < {
        path.name for path in out.iterdir()
    }
    wheel = "xx_tiny-1.2.3-py3-none-any.whl"
    assert (out / wheel).read_bytes() == (out / "xx_tiny-any-py3-none-any.whl").read_bytes()
    with zipfile.ZipFile(out / wheel) as opened:
        text = opened.read("xx_tiny-1.2.3.dist-info/METADATA").decode()
        inside = opened.read("xx_tiny/xx_tiny-1.2.3/config.cfg")
    # What dlfa-spacy requires; not the version of spaCy that is installed where it is built.
    assert "Requires-Dist: dlfa-spacy" in text and "Requires-Dist: spacy<" not in text
    assert inside == (out / "config.cfg").read_bytes()

    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"resolve/main/{wheel}" in card.split("## Install")[1].split("## Scores")[0]
    assert "| zh-hans | 61.2 |" in card and "## Intended use and limits" in card
    found = head(out)
    assert found["language"] == ["en", "zh"] and found["license"] == "cc-by-sa-4.0"
    assert found["pipeline_tag"] == "token-classification" and found["library_name"] == "spacy"
    assert [example["example_title"] for example in found["widget"]] == ["zh"]
    (index,) = found["model-index"]
    assert index["name"] == "xx_tiny"
    values = {x["dataset"]["config"]: x["metrics"][0]["value"] for x in index["results"]}
    assert values == {"en-gold": 0.6123, "zh-hans-gold": 0.6123}

    page = push(out, Repository("my-org/xx_tiny", revision="next", private=True), "A message")
    assert page == f"{hub.url}/my-org/xx_tiny"
    assert hub.repositories["my-org/xx_tiny"]["next"] == files(out)
    assert hub.lfs and hub.commits == ["A message"] and hub.private == {"my-org/xx_tiny"}


def test_an_encoder_is_pushed_with_its_card_and_without_what_training_left(
    bert: str, hub: Hub, tmp_path: Path
) -> None:
    (tmp_path / "encoder" / "checkpoint-5").mkdir(parents=True)
    for path in Path(bert).iterdir():
        (tmp_path / "encoder" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "encoder" / "optimizer.pt").write_bytes(b"")
    given = "---\nlicense: cc0-1.0\n---\n\n# Mine\n"
    (tmp_path / "encoder" / "README.md").write_text(given, encoding="utf-8")
    arguments = (tmp_path / "encoder", "--repo", "me/mine", "--license", "MIT")
    assert f"Pushed to {hub.url}/me/mine" in dlfa(*arguments)
    arrived = hub.repositories["me/mine"]["main"]
    assert "optimizer.pt" not in arrived and not any("checkpoint" in name for name in arrived)
    assert arrived["config.json"] == Path(bert, "config.json").read_bytes()
    card = arrived["README.md"].decode()
    assert "license: cc0-1.0" in card and "library_name: transformers" in card
    assert card.endswith("# Mine\n")

    assert "there is one of that name" in dlfa(*arguments)
    (tmp_path / "encoder" / "LICENSE").write_text("CC0", encoding="utf-8")
    assert "Pushed" in dlfa(*arguments, "--update", "--message", "With a license")
    assert arrived["LICENSE"] == b"CC0" and hub.commits[-1] == "With a license"


def test_what_is_missing_is_said_before_the_work(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository = Repository("my-org/xx_tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ValueError, match="answers 401.*Fix: hf auth login"):
        check_ready(repository)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="no token.*Fix: hf auth login, or HF_TOKEN"):
        check_ready(repository)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="does not answer.*Fix: connect to the network"):
        check_ready(repository)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE set.*Fix: unset it, or --dry-run"):
        check_ready(repository)


@pytest.mark.parametrize("name", ["xx_tiny", "my-org/", "my org/xx_tiny", "a/b/c"])
def test_a_repository_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Fix: --repo my-org/xx_my_ner"):
        Repository(name)


def test_a_pipeline_goes_into_a_repository_called_as_its_package(
    pipeline: Path, tmp_path: Path
) -> None:
    said = dlfa(pipeline / "model", "--repo", "me/My-ner", "--dry-run", tmp_path / "out")
    assert "Fix: --repo me/xx_my_ner." in said and not (tmp_path / "out").exists()


def test_scores_of_an_encoder_and_a_folder_of_something_else_are_refused(
    bert: str, scores: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("", encoding="utf-8")
    arguments = (bert, "--repo", "me/mine", "--dry-run", tmp_path / "out")
    assert "is no folder of a push" in dlfa(*arguments)
    said = dlfa(*arguments[:4], tmp_path / "other", "--scores", scores)
    assert "goes with a pipeline" in said and not (tmp_path / "other").exists()


def test_a_head_is_what_the_hub_knows() -> None:
    assert license_keys("CC BY-SA 4.0") == {"license": "cc-by-sa-4.0"}
    assert license_keys("My terms") == {"license": "other", "license_name": "my-terms"}
    assert license_keys("") == {}
    assert encoder_keys("org/encoder")[0] == {"base_model": "org/encoder"}
    for name in ("/somewhere/encoder", "training/encoder", "encoders/mine", None):
        assert encoder_keys(name)[0] == {}
    text = with_head("---\nlicense: mit\n---\n# A\n", {"license": "other", "tags": ["b"]})
    assert yaml.safe_load(text.split("---\n")[1]) == {"license": "mit", "tags": ["b"]}
    assert text.endswith("\n# A\n")
    assert with_section("# A\n\ntext\n", "## B\n\nb") == "# A\n\ntext\n\n## B\n\nb\n"
    assert with_section("# A\n\n## C\n", "## B") == "# A\n\n## B\n\n## C\n"


def test_scores_by_language_in_a_meta_are_results_and_those_of_training_are_not() -> None:
    performance = {"ents_f": 0.7, "ner-x_raw_ner_span_f1": {"de": 0.5}, "a_b_c": {"de": 1.0}}
    (result,) = results_of_meta(performance)
    assert (result.dataset_type, result.dataset_config) == ("ner-x", "de-raw")
    assert (result.metric_type, result.metric_value) == ("f1", 0.5)
    assert languages([result]) == ["de"]
