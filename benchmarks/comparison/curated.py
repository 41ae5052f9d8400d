"""The other side of `curated_worker`: a process with another environment's Python."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .pipelines import HEADS, TAGS
from .texts import Text

WORKER = Path(__file__).with_name("curated_worker.py")


class CuratedProcess:
    """spacy-curated-transformers, on texts that it is given once.

    python (Path): The Python of an environment that has it.
    folder (str): The encoder.
    texts (Sequence[Text]): The texts.
    threads (int): Threads of torch.
    RAISES (ValueError): It does not start there.
    """

    def __init__(self, python: Path, folder: str, texts: Sequence[Text], threads: int):
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self._process = subprocess.Popen(
            # Isolated: this folder is not on its path, whose modules have names of other packages.
            [str(python), "-I", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
        )
        self._ask(
            {
                "folder": str(Path(folder).resolve()),
                "words": [text.words for text in texts],
                "tags": [[tag or "X" for tag in text.tags] for text in texts],
                "threads": threads,
                "heads": HEADS,
                "tag_labels": list(TAGS),
            }
        )

    def predict(self) -> float:
        """RETURNS (float): Seconds for all texts."""
        return float(self._ask({"do": "predict"})["seconds"])

    def train(self) -> float:
        """RETURNS (float): Seconds of one step with all texts."""
        return float(self._ask({"do": "train"})["seconds"])

    def bytes_left(self) -> int:
        """RETURNS (int): Bytes that all Docs keep alive together."""
        return int(self._ask({"do": "bytes"})["bytes"])

    def __enter__(self) -> CuratedProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            for line in self._process.stdout:
                # Libraries greet on stdout too.
                if line.startswith("{"):
                    answer: dict[str, Any] = json.loads(line)
                    return answer
        except BrokenPipeError:
            # Why it ended stands on its stderr, which is read below.
            pass
        self._process.wait()
        self._errors.seek(0)
        reason = self._errors.read().strip().splitlines()[-1:] or ["no message"]
        raise ValueError(
            f"--curated-python: spacy-curated-transformers failed there: {reason[0]} Expected "
            "version 0.3.1 and transformers. Fix: make the environment as docs/benchmarks.md says."
        )
