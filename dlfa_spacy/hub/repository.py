"""A repository on the Hub: where something is pushed to."""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id


@dataclass(frozen=True)
class Repository:
    """Where something is pushed to.

    name (str): With the organization or the user: ORG/NAME.
    revision (str): The branch.
    private (bool): Whether a new one is private.
    update (bool): Whether there may be one already.
    RAISES (ValueError): Nothing on the Hub can be called so.
    """

    name: str
    revision: str = "main"
    private: bool = False
    update: bool = False

    def __post_init__(self) -> None:
        try:
            validate_repo_id(self.name)
            is_right = "/" in self.name
        except HFValidationError:
            is_right = False
        if not is_right:
            raise ValueError(
                f"--repo {self.name}: expected the name of an organization or user and that of a "
                "repository, as the Hugging Face Hub allows them. Fix: --repo my-org/xx_my_ner."
            )
