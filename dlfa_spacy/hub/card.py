"""A model card for the Hub: Markdown under a head of YAML, by which it is found and shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from huggingface_hub.utils import yaml_dump

from ..encoder.storage.loading import encoder_location
from ..recipes import is_bundled

# Licenses that the Hub knows by these names, among those of weights and corpora.
LICENSES = (
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-2.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "gpl-3.0",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
    "openrail",
)
# The bundled encoder, which has another name on the Hub.
PARENT, PARENT_LICENSE = "intfloat/multilingual-e5-small", "MIT"


def license_keys(license: str) -> dict[str, str]:
    """
    license (str): As people write it: "CC BY-SA 4.0".
    RETURNS (Dict[str, str]): The keys of the head that say so.
    """
    if not license:
        return {}
    name = "-".join(license.lower().split())
    if name in LICENSES:
        return {"license": name}
    return {"license": "other", "license_name": name}


def encoder_keys(name: str | None) -> tuple[dict[str, str], str]:
    """
    name (Optional[str]): Folder or Hub name of the encoder of a pipeline.
    RETURNS (Tuple[Dict[str, str], str]): Keys of the head, and a sentence.
    """
    if name is None:
        return {}, "The encoder is not stated."
    if is_bundled(name):
        sentence = f"Encoder: {PARENT} in four bits, license: {PARENT_LICENSE}."
        return {"base_model": PARENT}, sentence
    keys = {"base_model": name} if _is_on_hub(name) else {}
    return keys, f"Encoder: {name}, under the license of its own card."


def _is_on_hub(name: str) -> bool:
    """RETURNS (bool): Whether it is ORG/NAME, and not the path of a folder, here or elsewhere."""
    try:
        encoder_location(name)
    except ValueError:
        return False
    return "/" in name and not Path(name).is_dir()


def with_head(text: str, head: Mapping[str, Any]) -> str:
    """
    text (str): A card. What it says in a head of its own wins.
    head (Mapping[str, Any]): Keys and values.
    RETURNS (str): The card with its head.
    """
    own: dict[str, Any] = {}
    if text.startswith("---"):
        card = ModelCard(text, ignore_metadata_errors=True)
        own, text = card.data.to_dict(), card.text
    block = yaml_dump({**head, **own}, sort_keys=False)
    return f"---\n{block}---\n\n{text.strip()}\n"


def with_section(text: str, section: str) -> str:
    """
    text (str): A card.
    section (str): A section with its heading.
    RETURNS (str): The card with the section before its first one.
    """
    before, mark, after = text.partition("\n## ")
    return f"{before.strip()}\n\n{section.strip()}\n{mark}{after}"
