"""What two processes do in `test_alignment_team.py`: started by `accelerate launch`, or alone.

python tests/util/team_of_two.py ENCODER DROPOUT_ENCODER PARALLEL OUT
"""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from aligned import toy_examples, toy_method, toy_pairs

from dlfa_spacy.alignment.methods import Method
from dlfa_spacy.alignment.training.settings import TrainSettings
from dlfa_spacy.alignment.training.team import join_team, team_rank, team_size
from dlfa_spacy.alignment.training.train import train
from dlfa_spacy.cli import app

# A batch of 5 has no halves; two batches per step.
SETTINGS = TrainSettings(
    steps=3, batch_size=5, learn_rate=1e-3, warmup=0, accumulate=2, save_every=2
)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ml-ctl": ("ml-ctl", {}),
    "ml-ctl-info": ("ml-ctl", {"loss": "info", "words": False}),
    "ppa": ("ppa", {"queue": 16, "momentum": 0.9}),
    "cao": ("cao", {"reduction": "sum"}),
    "realign": ("realign", {"freeze": "lower"}),
    "realign-weak": ("realign", {"candidates": "translations"}),
    "labse": ("labse", {}),
    "clbt": ("clbt", {"solver": "gradient", "center": True}),
}


class Killed(Exception):
    """Stands for SIGKILL."""


def plain_descent(method: Method, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam would blow rounding up, where a gradient is nothing else."""
    return torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05)


def run(folder: str, name: str, **more: Any) -> dict[str, Any]:
    """RETURNS: Losses of the steps, and the sum of each weight's magnitudes afterwards."""
    torch.manual_seed(3)
    method, changes = CASES[name]
    aligner, collate = toy_method(folder, method, **changes)
    examples = toy_examples(aligner.tokenizer, toy_pairs(12))
    with patch("dlfa_spacy.alignment.training.train.make_optimizer", plain_descent):
        rows = train(aligner, examples, collate, SETTINGS, **more)
    weights = {key: value.abs().sum().item() for key, value in aligner.named_parameters()}
    return {"rows": rows, "weights": weights}


def resumed(folder: str, path: Path) -> dict[str, Any]:
    def kill(row: dict[str, float]) -> None:
        if row["step"] == 3:
            raise Killed

    try:
        run(folder, "labse", checkpoint=path, report=kill)
    except Killed:
        return run(folder, "labse", checkpoint=path)
    raise AssertionError("nothing was killed")


def main(encoder: str, dropout: str, parallel: str, out: str) -> None:
    join_team()
    found = {name: run(encoder, name) for name in CASES}
    found["dropout"] = run(dropout, "labse")
    found["resumed"] = resumed(dropout, Path(out) / f"{team_size()}.pt")
    found["processes"] = {"rows": [{"n": team_size()}]}
    if team_rank() == 0:
        (Path(out) / f"{team_size()}.json").write_text(json.dumps(found))
    arguments = ["align", "realign", encoder, f"{out}/aligned-{team_size()}"]
    arguments += ["--parallel", parallel, "--steps", "2", "--batch-size", "7", "--quiet"]
    app(arguments, standalone_mode=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
