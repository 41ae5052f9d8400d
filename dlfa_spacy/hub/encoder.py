"""The folder of an encoder on the Hub: its files, and its card with a head."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..encoder.storage.int4_folder import is_int4
from ..encoder.storage.loading import encoder_location, read_config
from ..files.writing import write_text
from .card import license_keys, with_head
from .pipeline import CARD
from .repository import Repository

# What trainers leave beside a model.
LEFT_OUT = ("optimizer*", "scheduler*", "rng_state*", "training_args*", ".*", "checkpoint-*")


def write_encoder(source: Path, folder: Path, repository: Repository, license: str = "") -> None:
    """Write what is pushed: everything but what training left.

    source (Path): An encoder's folder, as `save_pretrained` or `dlfa align` writes it.
    folder (Path): Where; it must not be there.
    repository (Repository): Where it will lie.
    license (str): Of the weights. What the head of a card that is there says, wins.
    RAISES (ValueError): `source` is no encoder.
    """
    encoder_location(str(source), "SOURCE")
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    path = folder / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else _card(repository)
    config = read_config(str(source))
    is_ours = config is not None and is_int4(config)
    head = {
        "language": "multilingual",
        **license_keys(license),
        # In four bits it is read by ours alone.
        "library_name": "dlfa_spacy" if is_ours else "transformers",
        "tags": ["dlfa_spacy", "cross-lingual"],
        "pipeline_tag": "feature-extraction",
    }
    write_text(path, with_head(text, head))


def _card(repository: Repository) -> str:
    """RETURNS (str): The card of an encoder that has none."""
    return f"""# {repository.name.rpartition("/")[2]}

A multilingual encoder for spaCy pipelines whose components read all of its layers.

```bash
dlfa init-config --task ner --encoder {repository.name} ner.cfg
```

## Intended use and limits

It is meant to be fine-tuned, or read frozen, with annotations in one language, and used in others.
How well that works in a language must be measured there: `dlfa evaluate`, `dlfa analyze`.
"""
