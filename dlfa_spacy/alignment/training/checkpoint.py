"""The state of a training, all of it or nothing on disk."""

from pathlib import Path
from typing import Any

import torch

from ...files.writing import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """path (Path): The file. state (Dict[str, Any]): Tensors and plain values."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any]:
    """Read a state.

    path (Path): The file.
    fingerprint (str): What must not have changed since.
    RETURNS (Dict[str, Any]): The state.
    RAISES (ValueError): The file is of another training, or damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Whatever a damaged file raises (pickle, zip, torch), one message.
        raise ValueError(
            f"{path} cannot be read: {type(error).__name__}: {error} Expected a checkpoint of dlfa "
            "align. Fix: remove it, and start again."
        ) from error
    if state["fingerprint"] != fingerprint:
        raise ValueError(
            f"{path} belongs to another training: found {state['fingerprint']}, expected "
            f"{fingerprint}. Fix: the settings and text it was begun with, or --no-resume."
        )
    return state
