"""The pipelines that are served, from their names."""

from __future__ import annotations

from collections.abc import Sequence

from ..checks import check_installed
from ..pipeline.detect_language import DetectLanguage
from ..pipeline.sources import open_pipeline, source_name
from .served import ServedPipeline


def require_fastapi() -> None:
    """RAISES (ImportError): The extra is not installed."""
    for module in ("fastapi", "uvicorn"):
        check_installed(module, "serve", "dlfa serve")


def open_served(names: Sequence[str], *, language: bool = False) -> list[ServedPipeline]:
    """Load pipelines.

    names (Sequence[str]): Folders or packages.
    language (bool): Let those tell the language of a text that do not yet.
    RETURNS (List[ServedPipeline]): Under the last part of each name, with a number where another
        has the same.
    RAISES (ValueError): There is none of a name.
    """
    served: list[ServedPipeline] = []
    for name in names:
        nlp = open_pipeline(name)
        if language and not any(isinstance(pipe, DetectLanguage) for _, pipe in nlp.pipeline):
            nlp.add_pipe("dlfa_language", "language", first=True)
        short = source_name(name)
        same = sum(one.name.partition("#")[0] == short for one in served)
        served.append(ServedPipeline(f"{short}#{same + 1}" if same else short, nlp))
    return served
