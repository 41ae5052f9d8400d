"""Training state in shards that survive a kill and fit through narrow doors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from dlfa_spacy.corpora.files import write_text

MANIFEST = "state.json"


def _pieces(name: str, tensor: torch.Tensor, limit: int) -> list[tuple[str, torch.Tensor]]:
    """Cut a tensor along its first axis until each part is at most `limit` bytes."""
    size = tensor.numel() * tensor.element_size()
    if size <= limit or tensor.dim() == 0 or tensor.shape[0] == 1:
        return [(f"{name}#0", tensor)]
    rows = max(1, int(tensor.shape[0] * limit / size))
    return [(f"{name}#{i}", part) for i, part in enumerate(tensor.split(rows))]


def save_state(
    folder: Path, tensors: dict[str, torch.Tensor], info: dict[str, Any], *, shard_mib: float = 16
) -> None:
    """Write the state; the manifest is replaced last, so a kill leaves the old state or the new.

    folder (Path): Made if missing.
    tensors (dict[str, torch.Tensor]): Everything that a resumed run needs.
    info (dict[str, Any]): JSON values beside them; needs an int "step".
    shard_mib (float): Largest size of a shard, in MiB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = int(shard_mib * 2**20) - 65_536
    shards: list[dict[str, torch.Tensor]] = [{}]
    used = 0
    for name, tensor in tensors.items():
        for key, part in _pieces(name, tensor.detach(), limit):
            size = part.numel() * part.element_size()
            if used + size > limit and shards[-1]:
                shards.append({})
                used = 0
            shards[-1][key] = part.contiguous().clone()
            used += size
    names = []
    for i, shard in enumerate(shards):
        name = f"step{info['step']:08d}-{i:04d}.safetensors"
        save_file(shard, str(folder / (name + ".tmp")))
        os.replace(folder / (name + ".tmp"), folder / name)
        names.append(name)
    write_text(folder / MANIFEST, json.dumps({"shards": names, "info": info}) + "\n")
    for path in folder.glob("step*.safetensors*"):
        if path.name not in names:
            path.unlink()


def load_state(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Read what `save_state` wrote.

    folder (Path): The folder.
    RETURNS (tuple | None): Tensors and info; None where there is no complete state.
    RAISES (ValueError): The manifest names a shard that is gone.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        manifest = json.load(file)
    parts: dict[str, list[tuple[int, torch.Tensor]]] = {}
    for name in manifest["shards"]:
        if not (folder / name).is_file():
            raise ValueError(
                f"State {path}: names shard {name!r}, which is missing; expected "
                f"{len(manifest['shards'])} shards beside it. Copy all of them, or delete the "
                "folder to start anew."
            )
        for key, tensor in load_file(str(folder / name)).items():
            base, _, number = key.rpartition("#")
            parts.setdefault(base, []).append((int(number), tensor))
    tensors = {}
    for base, found in parts.items():
        found.sort(key=lambda item: item[0])
        tensors[base] = found[0][1] if len(found) == 1 else torch.cat([t for _, t in found])
    return tensors, manifest["info"]
