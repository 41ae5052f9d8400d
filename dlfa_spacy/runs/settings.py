"""What one run is, and the hash that names it: equal settings are one run on every machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .table import RUN_COLUMNS

FORMAT = 2
# The files of a run's folder. `metrics.json` is written last: where it is, the run is done.
METRICS = "metrics.json"
SETTINGS = "settings.json"
PROGRESS = "progress.json"
CONFIG = "config.cfg"
LOG = "log.txt"
MODEL = "model-best"
# Of a training that is long, while it lasts.
STATE = "training.state"


@dataclass(frozen=True)
class DataFile:
    """A file of Docs.

    language (str): Language code.
    split (str): The split.
    path (str): The file, which another machine may have elsewhere.
    content (str): Hash of the corpus file and what was drawn from it.
    """

    language: str
    split: str
    path: str
    content: str


@dataclass(frozen=True)
class RunSettings:
    """One training and its evaluation. Arguments are those of `Plan` and `Method`, for one run.

    base (str): The base config: "pos", "ner" or "textcat".
    encoder_path (str): Folder or Hub name of the encoder.
    encoder_content (str): Hash of its files.
    train (DataFile): What is trained on.
    dev (DataFile): What chooses the checkpoint.
    tests (List[DataFile]): What is scored in the end, dev among it.
    regime (str): What of the encoder trains, as the plan calls it.
    texts (int): Texts of `train`.
    frozen (bool): No weight of the encoder trains.
    head (Optional[bool]): Whether components have layers of their own; by default if frozen.
    cache (str): Where the layers of a frozen encoder are kept, for all runs of a sweep.
    """

    task: str
    base: str
    method: str
    aggregator: str
    layer: int | None
    gate: str
    norm: str
    block: dict[str, Any]
    reinit: list[int]
    encoder: str
    encoder_path: str
    encoder_content: str
    seed: int
    epochs: int
    learn_rate: float
    warmup: float
    batch_size: int
    train: DataFile
    dev: DataFile
    tests: list[DataFile]
    regime: str
    texts: int
    overrides: dict[str, Any] = field(default_factory=dict)
    frozen: bool = False
    head: bool | None = None
    cache: str = ""

    @property
    def name(self) -> str:
        """The run's folder below `runs`, and its name in messages."""
        method = self.method.replace(":", "-")
        return f"{self.task}/{self.encoder}/{method}/seed-{self.seed}"

    @property
    def key(self) -> dict[str, Any]:
        """What tells the run from the others of its sweep, by column of the table."""
        return {name: getattr(self, name) for name in RUN_COLUMNS}

    def content(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): All that decides about the scores. Paths do not."""
        content = asdict(self)
        del content["encoder_path"], content["cache"]
        if self.head is None:
            # As runs have it that were made before this could be set.
            del content["head"]
        for files in (content["train"], content["dev"], *content["tests"]):
            del files["path"]
        return {"format": FORMAT, **content}

    @property
    def hash(self) -> str:
        """The first 16 digits of the hash of `content`."""
        text = json.dumps(self.content(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_files(paths: list[Path]) -> str:
    """RETURNS (str): The first 16 digits of the hash of some files, their names included."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file_:
            while block := file_.read(1 << 20):
                total.update(block)
    return total.hexdigest()[:16]
