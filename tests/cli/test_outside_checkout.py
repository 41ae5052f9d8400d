"""Whoever has the package without a checkout has no assets/encoder, and is told what to do."""

import pickle
from pathlib import Path

import pytest
import spacy
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.encoder.storage.errors import EncoderError
from dlfa_spacy.encoder.storage.loading import encoder_location
from dlfa_spacy.recipes import make_config

WAYS_OUT = ("checkout", "dlfa export-encoder xx_dlfa_ner encoder")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RETURNS: A working directory with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("options", [[], ["--aggregation", "last,dlfa"], ["--encoder", "./e"]])
def test_init_config_refuses_an_encoder_that_is_not_there(empty: Path, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["init-config", "out", *options])
    assert result.exit_code == 1
    named = f"--encoder {'./e' if './e' in options else 'assets/encoder'}"
    for words in (named, "no such folder", *WAYS_OUT, "give it: --encoder encoder."):
        assert words in result.output
    assert list(empty.iterdir()) == []


def test_init_config_takes_an_encoder_by_its_folder_or_its_name(empty: Path, bert: str) -> None:
    for number, encoder in enumerate((bert, "bert-base-multilingual-cased", "owner/name")):
        arguments = ["init-config", f"{number}.cfg", "--encoder", encoder]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        assert (empty / f"{number}.cfg").is_file()


@pytest.mark.parametrize(
    ("encoder", "words"),
    [("assets/encoder", ("no such folder", *WAYS_OUT)), ("nobody/nothing", ("could not be",))],
)
def test_training_without_an_encoder_ends_in_a_message(
    empty: Path, encoder: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    DocBin(docs=[Doc(spacy.blank("xx").vocab, words=["Anna"], ents=["B-PER"])]).to_disk(
        "data.spacy"
    )
    # As from another machine: `dlfa init-config` would refuse here.
    make_config("ner", "last", encoder=encoder).to_disk("ner.cfg")
    fill_config(Path("ner.cfg"), Path("ner.cfg"), silent=True)
    # What `python -m spacy train` runs; anything but an exit would be shown as a traceback.
    with pytest.raises(SystemExit) as ended:
        train(Path("ner.cfg"), overrides={"paths.train": "data.spacy", "paths.dev": "data.spacy"})
    assert ended.value.code == 1
    said = "".join(capsys.readouterr())
    key = f'[components.transformer.model] name = "{encoder}"'
    for part in (key, "Fix:", *words):
        assert part in said


def test_the_error_is_its_message_also_in_another_process() -> None:
    with pytest.raises(ValueError) as caught:
        encoder_location("./nothing")
    assert str(caught.value).startswith("[components.transformer.model] name")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(copy, EncoderError) and str(copy) == str(caught.value)
