"""Two processes align an encoder as one does: same losses, same weights, same files."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import team_of_two
import torch
from aligned import write_text
from places import UTIL
from safetensors.torch import load_file
from tiny import tiny_bert

from dlfa_spacy.alignment.training.team import (
    check_alike,
    from_first,
    join_team,
    leave_team,
    shared,
    team_rank,
    team_size,
)

pytestmark = pytest.mark.slow


def test_one_process_is_a_team_of_its_own() -> None:
    assert (team_size(), team_rank(), from_first(3)) == (1, 0, 3)
    check_alike("anything")
    ids = torch.ones(3, 4)
    (found,) = shared(lambda ids, mask: [ids * mask], ids, ids)
    assert torch.equal(found, ids)
    leave_team()


def test_several_processes_need_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match="Fix: pip install"):
        join_team()


def launch(number: int, *arguments: str) -> None:
    """Start the script in some processes on the CPU, as the documentation says."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", str(number), "--num_machines", "1", "--mixed_precision", "no"]
    command += [
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        "--num_cpu_threads_per_process",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{UTIL}:{UTIL.parent}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(UTIL / "team_of_two.py"), *arguments],
        env={**environment, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    if importlib.util.find_spec("accelerate") is None:
        pytest.skip("accelerate is not installed")
    out = tmp_path_factory.mktemp("team")
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    for name in ("still", "dropout"):
        (out / name).mkdir()
    encoder = tiny_bert(out / "still", **still)
    dropout = tiny_bert(out / "dropout")
    text = write_text(out / "ru-en.tsv")
    launch(2, encoder, dropout, str(text), str(out))
    team_of_two.main(encoder, dropout, str(text), str(out))
    one, two = (json.loads((out / f"{n}.json").read_text()) for n in (1, 2))
    return one, two, out


def losses(found: Any, name: str) -> list[float]:
    return [row["loss"] for row in found[name]["rows"]]


@pytest.mark.parametrize("name", sorted(team_of_two.CASES))
def test_two_processes_have_the_losses_and_weights_of_one(results: Any, name: str) -> None:
    one, two, _ = results
    assert two["processes"]["rows"] == [{"n": 2}]
    assert losses(two, name) == pytest.approx(losses(one, name), rel=1e-4)
    assert len(set(losses(one, name))) == 3
    weights = one[name]["weights"]
    assert two[name]["weights"] == {
        key: pytest.approx(value, rel=1e-4, abs=1e-5) for key, value in weights.items()
    }


def test_two_processes_that_were_killed_go_on_as_if_they_had_not_been(results: Any) -> None:
    _, two, out = results
    assert two["resumed"] == two["dropout"]
    assert (out / "2.pt").is_file()


def test_the_processes_drop_other_units(results: Any) -> None:
    one, two, _ = results
    assert losses(one, "dropout")[0] != pytest.approx(losses(two, "dropout")[0], rel=1e-4)


def test_the_command_writes_once_what_one_process_writes(results: Any) -> None:
    *_, out = results
    folders = [out / f"aligned-{n}" for n in (1, 2)]
    one, two = (load_file(folder / "model.safetensors") for folder in folders)
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-5)
    reports = [json.loads((folder / "alignment.json").read_text()) for folder in folders]
    assert reports[0]["data"] == reports[1]["data"]
    assert not list(out.glob("*.checkpoint.pt"))
