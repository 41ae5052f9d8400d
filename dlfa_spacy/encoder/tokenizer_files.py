"""A tokenizer's files."""

from pathlib import Path
from typing import Any

TOKENIZER = "tokenizer.json"


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write what `AutoTokenizer` reads.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    folder (Path): Is there already.
    """
    tokenizer.save_pretrained(folder)
    if tokenizer.is_fast:
        # Without the blanks that save_pretrained() puts in: half the bytes of a large vocabulary.
        text = tokenizer.backend_tokenizer.to_str(pretty=False)
        (folder / TOKENIZER).write_text(text, encoding="utf-8")
