"""A folder to the Hub, by `huggingface_hub`, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token

from .repository import Repository

TOKEN = "hf auth login, or HF_TOKEN=hf_... with a token that may write"


def check_ready(repository: Repository) -> None:
    """Ask before the work: is there a network, a token that is one, and room for the repository?

    repository (Repository): Where something will be pushed to.
    RAISES (ValueError): Something is missing.
    """
    if constants.HF_HUB_OFFLINE:
        raise ValueError(
            f"--repo {repository.name}: found HF_HUB_OFFLINE set, expected a network. Fix: unset "
            "it, or --dry-run FOLDER, which pushes nothing."
        )
    if get_token() is None:
        raise ValueError(
            f"--repo {repository.name}: found no token of the Hugging Face Hub, expected one. "
            f"Fix: {TOKEN}."
        )
    with _worded(repository):
        api = HfApi()
        api.whoami()
        if not repository.update and api.repo_exists(repository.name):
            raise _exists(repository)


def push(folder: Path, repository: Repository, message: str) -> str:
    """Push a folder as one commit. The repository is made; files of an older commit stay.

    folder (Path): What `write_pipeline` or `write_encoder` has written.
    repository (Repository): Where to.
    message (str): Of the commit.
    RETURNS (str): The repository's page.
    RAISES (ValueError): No network, no token with the right, or the repository is there and
        `update` was not given.
    """
    with _worded(repository):
        api = HfApi()
        name, revision = repository.name, repository.revision
        url = api.create_repo(name, private=repository.private, exist_ok=repository.update)
        if revision != constants.DEFAULT_REVISION:
            api.create_branch(name, branch=revision, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, revision=revision, commit_message=message
        )
    return str(url)


@contextmanager
def _worded(repository: Repository) -> Iterator[None]:
    """Turn what the Hub or the network says into words with a fix.

    YIELDS (None): Nothing.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # An upload in a thread of its own raises a RuntimeError.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        status = getattr(getattr(cause, "response", None), "status_code", None)
        begin = f"--repo {repository.name}: {constants.ENDPOINT}"
        if status is None:
            raise ValueError(
                f"{begin} does not answer ({type(cause).__name__}). Fix: connect to the network, "
                "or --dry-run FOLDER, which pushes nothing."
            ) from error
        if status == 409:
            raise _exists(repository) from error
        fix = TOKEN if status in (401, 403, 404) else "try again later"
        raise ValueError(f"{begin} answers {status}: {cause}. Fix: {fix}.") from error


def _exists(repository: Repository) -> ValueError:
    return ValueError(
        f"--repo {repository.name}: there is one of that name, expected none. Fix: --update, which "
        "adds a commit to it, or another name."
    )
