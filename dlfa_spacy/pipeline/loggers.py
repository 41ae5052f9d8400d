"""A training logger for the weights of the layers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from spacy.language import Language

from .inspection import layer_weights

LogStep = Callable[[dict[str, Any] | None], None]


def build_layer_weights_logger_v1(
    path: str,
) -> Callable[[Language, IO, IO], tuple[LogStep, Callable[[], None]]]:
    """Write the weight of every layer in every component to a file, at each evaluation.

    path (str): A JSONL file: {"step": 200, "weights": {"ner": [0.01, ...]}} a line.
    CREATES: A logger; chain it with `spacy.ChainLogger.v1`.

    ```ini
    [training.logger]
    @loggers = "spacy.ChainLogger.v1"
    logger1 = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": true}
    logger2 = {"@loggers": "dlfa_spacy.layer_weights_logger.v1", "path": "layers.jsonl"}
    ```
    """

    def setup(nlp: Language, stdout: IO, stderr: IO) -> tuple[LogStep, Callable[[], None]]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w", encoding="utf-8")

        def log_step(info: dict[str, Any] | None) -> None:
            if info is not None:
                line = {"step": info["step"], "weights": layer_weights(nlp)}
                file.write(json.dumps(line) + "\n")
                file.flush()

        return log_step, file.close

    return setup
