"""A vocabulary trimmed to the wordpieces in use: fewer rows in the encoder's embeddings."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import HFObjects
from torch import Tensor, nn
from transformers import AutoTokenizer

from ..encoder.segment.pieces import PieceTokenizer
from ..encoder.segment.texts import get_texts
from ..encoder.storage.huggingface import from_pretrained
from ..encoder.storage.int4_embedding import Int4Embedding
from ..pipeline.readers import EncoderInUse
from .byte_pairs import trim_pairs, with_parts

TOKENIZER = "tokenizer.json"
# Files from which a tokenizer could be made anew, with the vocabulary it had.
OTHER_FILES = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json")
NO_TRIM = "Fix: leave out --trim-vocab."


def trim_vocabularies(encoders: Sequence[EncoderInUse], docs: Sequence[Doc]) -> list[str]:
    """Take the wordpieces that some texts do not need out of tokenizers and encoders.

    What stays keeps its order: ids are renumbered. A text all of whose wordpieces stayed is cut
    into the same ones. Any other text is cut into shorter ones; only a character that has no piece
    of its own in the whole vocabulary can become the unknown token.

    encoders (Sequence[EncoderInUse]): Changed in place.
    docs (Sequence[Doc]): The texts in use.
    RETURNS (List[str]): What was removed, a line for each encoder.
    RAISES (ValueError): No texts, or a tokenizer that cannot be trimmed.
    """
    if not any(len(doc) for doc in docs):
        raise ValueError(
            "--trim-vocab: the texts are empty. Expected texts in all languages in use. Fix: "
            "correct the file."
        )
    return [_trim(encoder, docs) for encoder in encoders]


def _trim(encoder: EncoderInUse, docs: Sequence[Doc]) -> str:
    tokenizer, transformer = encoder.model.tokenizer, encoder.model.transformer
    spec = _spec(tokenizer)
    texts = get_texts(list(docs), encoder.model.attrs["get_spans"]).texts
    kept = kept_ids(tokenizer, spec, texts)
    before = len(tokenizer)
    new_ids = {old: new for new, old in enumerate(kept)}
    _check_embeddings(transformer, new_ids)
    trimmed = _trimmed_tokenizer(tokenizer, spec, new_ids)
    _check_pieces(tokenizer, trimmed, texts, new_ids)
    _cut_embeddings(transformer, kept, new_ids)
    hf = encoder.model.shim._hfmodel
    settings = (hf._init_tokenizer_config, hf._init_transformer_config)
    encoder.model.shim.set_encoder(HFObjects(trimmed, transformer, None, *settings))
    return f"{encoder.component}: {len(kept)} of {before} wordpieces"


def _spec(tokenizer: Any) -> dict[str, Any]:
    kind = type(tokenizer).__name__
    if not tokenizer.is_fast:
        raise ValueError(
            f"--trim-vocab: the tokenizer {kind} is a slow one, without a tokenizer.json. Expected "
            f"a fast one ([components.transformer.model.tokenizer_config] use_fast = true). "
            f"{NO_TRIM}"
        )
    spec: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    found = spec["model"]["type"]
    if found not in (WORDPIECE, UNIGRAM, BYTE_PAIRS):
        raise ValueError(
            f"--trim-vocab: the tokenizer {kind} has a model of type {found}. Expected "
            f"{WORDPIECE}, {UNIGRAM} or {BYTE_PAIRS}. {NO_TRIM}"
        )
    affixes = [spec["model"].get(key) for key in AFFIXES] if found == BYTE_PAIRS else []
    if any(affixes):
        raise ValueError(
            f"--trim-vocab: the tokenizer {kind} has a model of type {found} that marks parts of "
            f"words ({', '.join(AFFIXES)} = {affixes}). Expected one that marks spaces, or "
            f"nothing. {NO_TRIM}"
        )
    return spec


def _trimmed_tokenizer(tokenizer: Any, spec: dict[str, Any], new_ids: dict[int, int]) -> Any:
    """RETURNS (PreTrainedTokenizerFast): One that knows the pieces of `new_ids` (old -> new)."""
    model = spec["model"]
    if model["type"] in (WORDPIECE, BYTE_PAIRS):
        pairs = sorted((new_ids[i], piece) for piece, i in model["vocab"].items() if i in new_ids)
        vocab = {piece: i for i, piece in pairs}
        if model["type"] == BYTE_PAIRS:
            trim_pairs(model, vocab)
        model["vocab"] = vocab
    else:
        model["vocab"] = [pair for i, pair in enumerate(model["vocab"]) if i in new_ids]
        if model["unk_id"] is not None:
            model["unk_id"] = new_ids[model["unk_id"]]
    for token in spec["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    if spec["padding"]:
        spec["padding"]["pad_id"] = new_ids[spec["padding"]["pad_id"]]
    _renumber_processor(spec["post_processor"], new_ids)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for path in Path(folder).iterdir():
            if path.name not in OTHER_FILES:
                path.unlink()
        (Path(folder) / TOKENIZER).write_text(json.dumps(spec), encoding="utf-8")
        path = Path(folder) / "tokenizer_config.json"
        # Not srsly: a tokenizer without a maximum says 10^30, which it cannot write.
        config = json.loads(path.read_text(encoding="utf-8"))
        added = config.get("added_tokens_decoder", {})
        config["added_tokens_decoder"] = {str(new_ids[int(i)]): t for i, t in added.items()}
        path.write_text(json.dumps(config), encoding="utf-8")
        trimmed = from_pretrained(AutoTokenizer, folder, use_fast=True)
    if len(trimmed) != len(new_ids):
        raise ValueError(
            f"--trim-vocab: the tokenizer {type(tokenizer).__name__} has {len(trimmed)} pieces "
            f"after trimming, expected {len(new_ids)}. {NO_TRIM}"
        )
    return trimmed


def _renumber_processor(processor: dict[str, Any] | None, new_ids: dict[int, int]) -> None:
    """The special tokens that are put around a text."""
    if processor is None:
        return
    if processor["type"] == "Sequence":
        for part in processor["processors"]:
            _renumber_processor(part, new_ids)
    for token in processor.get("special_tokens", {}).values():
        token["ids"] = [new_ids[i] for i in token["ids"]]
    for side in ("sep", "cls"):
        if side in processor:
            piece, i = processor[side]
            processor[side] = [piece, new_ids[i]]


def _check_pieces(
    tokenizer: Any, trimmed: Any, texts: Sequence[str], new_ids: dict[int, int]
) -> None:
    for text in texts:
        expected = [new_ids[i] for i in tokenizer(text, verbose=False)["input_ids"]]
        found = trimmed(text, verbose=False)["input_ids"]
        if expected != found:
            raise ValueError(
                f"--trim-vocab: the tokenizer {type(tokenizer).__name__} cuts a text of the file "
                f"into other pieces once its vocabulary is trimmed ({len(found)} instead of "
                f"{len(expected)}, or others). {NO_TRIM}"
            )


def _check_embeddings(transformer: Any, new_ids: dict[int, int]) -> None:
    rows = transformer.get_input_embeddings()
    kind = type(transformer).__name__
    if not isinstance(rows, nn.Embedding | Int4Embedding) or rows.num_embeddings <= max(new_ids):
        raise ValueError(
            f"--trim-vocab: the encoder {kind} has no embedding row for each wordpiece (found "
            f"{rows}). {NO_TRIM}"
        )
    pad = transformer.config.pad_token_id
    counted = [
        name
        for name, module in transformer.named_modules()
        if name.endswith("position_embeddings")
        and isinstance(module, nn.Embedding)
        and module.padding_idx is not None
    ]
    if counted and new_ids.get(pad) != pad:
        raise ValueError(
            f"--trim-vocab: the encoder {kind} counts positions from its padding token, whose id "
            f"would change from {pad} to {new_ids.get(pad)}. {NO_TRIM}"
        )


def _cut_embeddings(transformer: Any, kept: list[int], new_ids: dict[int, int]) -> None:
    rows = transformer.get_input_embeddings()
    padding = None if rows.padding_idx is None else new_ids.get(rows.padding_idx)
    transformer.set_input_embeddings(_rows(rows, torch.tensor(kept), padding))
    config = transformer.config
    config.vocab_size = len(kept)
    for name, value in config.to_dict().items():
        if name.endswith("_token_id") and isinstance(value, int) and not isinstance(value, bool):
            setattr(config, name, new_ids.get(value))


def _rows(rows: nn.Embedding | Int4Embedding, kept: Tensor, padding: int | None) -> nn.Module:
    if isinstance(rows, Int4Embedding):
        return rows.rows(kept, padding)
    weight = rows.weight.detach()[kept.to(rows.weight.device)].clone()
    return nn.Embedding(len(kept), rows.embedding_dim, padding_idx=padding, _weight=weight)


WORDPIECE, UNIGRAM, BYTE_PAIRS = "WordPiece", "Unigram", "BPE"
AFFIXES = ("continuing_subword_prefix", "end_of_word_suffix")
# A space in front of a word, as pieces have it: SentencePiece's, and that of bytes.
SPACES = ("\u2581", "\u0120")


def kept_ids(tokenizer: Any, spec: dict[str, Any], texts: Iterable[str]) -> list[int]:
    """
    tokenizer (PreTrainedTokenizerFast): The tokenizer.
    spec (Dict[str, Any]): Its tokenizer.json.
    texts (Iterable[str]): The texts in use.
    RETURNS (List[int]): Ids, in order: the pieces of the texts, all special and added tokens, all
        single characters (or bytes), at the beginning of a word and inside; and what these are
        made of.
    """
    model = spec["model"]
    kept = {int(token["id"]) for token in spec["added_tokens"]}
    kept.update(int(i) for i in tokenizer.all_special_ids)
    pieces = PieceTokenizer(tokenizer)
    kept.update(i for side in pieces.special_ids for i in side)
    vocab = vocabulary(model)
    for piece, i in vocab.items():
        if len(_plain(piece, model)) <= 1 or _is_byte(piece):
            kept.add(i)
    if model["type"] == UNIGRAM:
        # An unknown character costs the lowest score of all pieces, and more.
        scores = [score for _, score in model["vocab"]]
        kept.add(scores.index(min(scores)))
    for text in texts:
        ids = pieces([text]).ids.tolist()
        kept.update(ids)
        if model["type"] == WORDPIECE and tokenizer.unk_token_id in ids:
            kept.update(_before_unknown(tokenizer, model, vocab, text))
    if model["type"] == BYTE_PAIRS:
        kept = with_parts(model, kept)
    # Counted once: the tokenizer goes through its added tokens each time.
    size = len(tokenizer)
    return sorted(i for i in kept if i < size)


def vocabulary(model: dict[str, Any]) -> dict[str, int]:
    """RETURNS (Dict[str, int]): Piece -> id."""
    if model["type"] in (WORDPIECE, BYTE_PAIRS):
        return dict(model["vocab"])
    return {piece: i for i, (piece, _) in enumerate(model["vocab"])}


def _plain(piece: str, model: dict[str, Any]) -> str:
    if model["type"] == WORDPIECE:
        return piece.removeprefix(model["continuing_subword_prefix"])
    return piece[1:] if piece.startswith(SPACES) else piece


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _before_unknown(
    tokenizer: Any, model: dict[str, Any], vocab: dict[str, int], text: str
) -> Iterator[int]:
    """YIELDS (int): The pieces that WordPiece takes of an unknown word before it gives up. Without
    them it would take shorter ones, and might get through."""
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    for word, _ in backend.pre_tokenizer.pre_tokenize_str(text):
        if len(word) > model["max_input_chars_per_word"]:
            continue
        start = 0
        while start < len(word):
            prefix = model["continuing_subword_prefix"] if start else ""
            end = next(
                (e for e in range(len(word), start, -1) if prefix + word[start:e] in vocab), None
            )
            if end is None:
                break
            yield vocab[prefix + word[start:end]]
            start = end
