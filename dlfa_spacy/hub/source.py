"""What is pushed: a pipeline, or an encoder."""

from __future__ import annotations

from pathlib import Path

from ..files.leftovers import recover
from ..files.target_folder import check_apart
from ..pipeline.sources import open_pipeline
from .encoder import write_encoder
from .pipeline import write_pipeline
from .repository import Repository


def write_source(
    source: str,
    folder: Path,
    repository: Repository,
    *,
    version: str = "0.1.0",
    license: str = "",
    description: str = "",
    scores: Path | None = None,
) -> str | None:
    """Write the folder that is pushed.

    source (str): Folder or package of a pipeline, or an encoder's folder.
    folder (Path): Where; it must not be there.
    repository (Repository): Where it will lie.
    version (str): Of a pipeline's package.
    license (str): Of the weights; by default what the pipeline or the encoder's card says.
    description (str): Of a pipeline.
    scores (Optional[Path]): Of a pipeline: what `dlfa evaluate --out` has written.
    RETURNS (Optional[str]): Where pip will find the wheel of a pipeline.
    RAISES (ValueError): There is nothing of that name, or it cannot be pushed so.
    """
    path = Path(source).expanduser()
    recover(path)
    check_apart(path if path.is_dir() else None, folder, "SOURCE")
    if (path / "config.json").is_file():
        if scores is not None or description:
            given = f"--scores {scores}" if scores is not None else "--description"
            raise ValueError(
                f"{given} goes with a pipeline, but SOURCE {source} is an encoder. Fix: leave it "
                "out; what the README.md in its folder says is pushed with it."
            )
        write_encoder(path, folder, repository, license)
        return None
    nlp = open_pipeline(source)
    meta = {"license": license, "description": description}
    nlp.meta.update({key: value for key, value in meta.items() if value})
    return write_pipeline(nlp, folder, repository, version=version, scores=scores)
