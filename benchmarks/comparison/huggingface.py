"""The token classification pipeline of Hugging Face, which reads the last layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from dlfa_spacy.encoder.storage.huggingface import from_pretrained

from .pipelines import HF
from .texts import Text

BATCHES = (1, 8)


def hf_pipelines(
    folder: str, texts: Sequence[Text], gpu_id: int = -1
) -> dict[str, Callable[[], Any]]:
    """RETURNS (Dict[str, Callable]): Name -> what finds entities in all texts once, for every
    batch size worth trying. The head is untrained, the encoder is the folder's."""
    # It says at length that the head is untrained, and what the device is.
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    model = from_pretrained(
        AutoModelForTokenClassification, folder, num_labels=7, torch_dtype=torch.float32
    )
    finder: Callable[..., Any] = pipeline(
        "token-classification",
        model=model.eval(),
        tokenizer=from_pretrained(AutoTokenizer, folder),
        aggregation_strategy="simple",
        device=gpu_id,
    )
    transformers.logging.set_verbosity(verbosity)
    strings = [" ".join(text.words) for text in texts]
    return {
        f"{HF}, batches of {size}": functools.partial(finder, strings, batch_size=size)
        for size in BATCHES
    }
