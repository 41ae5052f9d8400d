"""A tokenizer's files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TOKENIZER = "tokenizer.json"
# What the tokenizers of transformers write.
NAMES = {
    TOKENIZER,
    "added_tokens.json",
    "bpe.codes",
    "byte_maps.json",
    "chat_template.jinja",
    "chat_template.json",
    "dict.txt",
    "emoji.json",
    "entity_vocab.json",
    "merges.txt",
    "normalizer.json",
    "prophetnet.tokenizer",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "source.spm",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "spm_char.model",
    "target.spm",
    "target_vocab.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab-src.json",
    "vocab-tgt.json",
    "vocab.json",
    "vocab.txt",
    "word_pronunciation.json",
    "word_shape.json",
}
# Bytes. The largest tokenizers have some 30 million.
LARGEST = 10**9


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


def write_tokenizer(files: Any, folder: Path) -> None:
    """Write the files of a tokenizer that somebody sent.

    files (Mapping[str, bytes]): Name -> content.
    folder (Path): Is there already.
    RAISES (ValueError): A name that no tokenizer's file has, such as a path; or too much. Then
        nothing is written.
    """
    if not isinstance(files, Mapping) or not all(isinstance(v, bytes) for v in files.values()):
        raise ValueError(
            "The saved tokenizer is not a list of files. Expected names and bytes. Fix: copy the "
            "pipeline again, or train again."
        )
    strange = [str(name)[:100] for name in files if name not in NAMES]
    if strange:
        raise ValueError(
            f"The saved tokenizer has the files {strange[:5]}. Expected the plain names that "
            "save_pretrained() of transformers gives: nothing else is written. Fix: check where "
            "this pipeline comes from."
        )
    size = sum(len(content) for content in files.values())
    if size > LARGEST:
        raise ValueError(
            f"The saved tokenizer has {size:,} bytes, expected at most {LARGEST:,}. Fix: check "
            "where this pipeline comes from."
        )
    for name, content in files.items():
        (folder / name).write_bytes(content)
