"""`dlfa align` on an encoder in four bits: rows are unchanged, the result is one again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from aligned import toy_examples, toy_method, toy_pairs
from fourbit import packed_folder
from safetensors.torch import load_file
from typer.testing import CliRunner

from dlfa_spacy.alignment.align import notes
from dlfa_spacy.alignment.methods.mlm import TiedHead, find_head
from dlfa_spacy.alignment.training.settings import TrainSettings
from dlfa_spacy.alignment.training.train import train
from dlfa_spacy.cli import app
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.encoder.storage.weights import int4_layers

ROWS = "embeddings.word_embeddings"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return packed_folder(tmp_path_factory.mktemp("packed"))


def align(name: str, folder: str, tmp_path: Path, *more: str) -> tuple[str, dict[str, Any]]:
    """RETURNS: What was printed, and the tensors of the result."""
    text = tmp_path / "ru-en.tsv"
    lines = [
        f"{' '.join(p.source_words)}\t{' '.join(p.target_words)}\t"
        + " ".join(f"{i}-{j}" for i, j in p.links)
        for p in toy_pairs(20)
    ]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "aligned"
    arguments = ["align", name, folder, str(out), "--parallel", str(text), "--steps", "2"]
    arguments += ["--batch-size", "6", "--learn-rate", "1e-3", *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split()), load_file(out / "model.safetensors")


@pytest.mark.parametrize("name", ["ml-ctl", "ppa", "cao", "realign", "labse", "clbt"])
def test_every_method_writes_an_encoder_that_loads(folder: str, tmp_path: Path, name: str) -> None:
    printed, found = align(name, folder, tmp_path)
    assert "rows are not trained" in printed
    assert ("trained along" in printed) == (name in ("ml-ctl", "ppa"))
    before = load_file(Path(folder) / "model.safetensors")
    for part in ("nibbles", "scales"):
        assert torch.equal(found[f"{ROWS}.{part}"], before[f"{ROWS}.{part}"])
    loaded = load_encoder(str(tmp_path / "aligned"), {}, {})
    kept = int4_layers(loaded.transformer)
    # What trained is in floats.
    assert (len(kept) == 4 * 6 + 1) == (name == "clbt")
    assert len(loaded.tokenizer) == loaded.transformer.get_input_embeddings().num_embeddings


def test_frozen_blocks_stay_in_four_bits(folder: str, tmp_path: Path) -> None:
    _, found = align("realign", folder, tmp_path, "--set", "freeze=lower")
    packed = {key.removesuffix(".nibbles") for key in found if key.endswith(".nibbles")}
    assert packed == {
        name
        for name in int4_layers(load_encoder(folder, {}, {}).transformer)
        if "layer.2" not in name and "layer.3" not in name
    }


def test_a_checkpoint_in_four_bits_has_no_head(folder: str, bert: str) -> None:
    encoder = load_encoder(folder, {}, {}).transformer
    assert find_head(folder, encoder) is None
    head = TiedHead(encoder, 32)
    states = torch.randn(3, 32, requires_grad=True)
    logits = head(states)
    rows = encoder.get_input_embeddings()
    assert logits.shape == (3, rows.num_embeddings)
    narrow = head.norm(torch.nn.functional.gelu(states))
    torch.testing.assert_close(logits, narrow @ rows.weight.T)
    logits.sum().backward()
    assert states.grad is not None
    method, _ = toy_method(bert, "realign")
    assert notes(method) == []
    method, _ = toy_method(bert, "ml-ctl")
    assert len(notes(method)) == 1


def test_killed_and_resumed_is_the_same(folder: str, tmp_path: Path) -> None:
    settings = TrainSettings(steps=4, batch_size=6, learn_rate=1e-3, save_every=2)

    class Killed(Exception):
        pass

    def kill(row: dict[str, float]) -> None:
        if row["step"] == 3:
            raise Killed

    def run(**more: Any) -> Any:
        torch.manual_seed(3)
        method, collate = toy_method(folder, "realign")
        train(method, toy_examples(method.tokenizer, toy_pairs(20)), collate, settings, **more)
        return method

    whole = run()
    with pytest.raises(Killed):
        run(checkpoint=tmp_path / "checkpoint.pt", report=kill)
    resumed = run(checkpoint=tmp_path / "checkpoint.pt")
    assert int4_layers(whole.encoder) == int4_layers(resumed.encoder) == [ROWS]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
