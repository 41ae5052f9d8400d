"""What a run's process begins with. Apart, so that a sweep itself never loads torch."""

from __future__ import annotations

from .settings import RunSettings


def run_process(
    folder: str, settings: RunSettings, device: int, threads: int, keep_model: bool
) -> None:
    """Do one run, see `run.run_process`."""
    import os

    if device >= 0:
        # Before anything looks for a GPU. Numbers count those that the sweep was left.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[device] if visible[0] else str(device)
    from . import run

    run.run_process(folder, settings, device, threads, keep_model)
