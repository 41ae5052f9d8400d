"""Tiny encoders with random weights and real tokenizers, as folders that AutoModel reads."""

import string
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CamembertConfig,
    CamembertModel,
    CanineConfig,
    CanineModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    MT5Config,
    MT5Model,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

LETTERS = string.ascii_letters + string.digits + string.punctuation + "äöüßéèñçãõøåабвгдежзийклмноп"
LETTERS += "рстуфхцчшщъыьэюяابتثجحخدذرزسشصضطظعغفقكلمنهويअआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह"
LETTERS += "中国的人在是了有不这我他们一上海北京大学日本語東かなカナกขคงจฉชซ"
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


def layers_of(output: Any) -> list[torch.Tensor]:
    """RETURNS: H^0 to H^L of what a Hugging Face encoder gave. H^L is `last_hidden_state`, which
    the last of `hidden_states` is not where a norm follows the last block."""
    return [*output.hidden_states[:-1], output.last_hidden_state]


def wordpiece_vocab() -> list[str]:
    words = ["the", "in", "Ber", "##lin", "lives", "##ing", "ed", "##s", "un", "##able", "Anna"]
    letters = sorted(set(LETTERS))
    pieces = letters + [f"##{c}" for c in letters] + words
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(pieces)]


def _save(folder: Path, model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase) -> str:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def _bert_tokenizer(folder: Path) -> BertTokenizerFast:
    vocab = folder / "vocab.txt"
    vocab.write_text("\n".join(wordpiece_vocab()), encoding="utf-8")
    return BertTokenizerFast(str(vocab), do_lower_case=False, model_max_length=64)


def tiny_bert(folder: Path, **settings: object) -> str:
    torch.manual_seed(1)
    tokenizer = _bert_tokenizer(folder)
    # A wide initialization: with BERT's 0.02 all layers of a tiny model are nearly the same.
    sizes = {**SIZES, "initializer_range": 0.2, **settings}
    config = BertConfig(vocab_size=len(tokenizer), **sizes)
    return _save(folder, BertModel(config), tokenizer)


def tiny_distilbert(folder: Path) -> str:
    torch.manual_seed(2)
    tokenizer = _bert_tokenizer(folder)
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=32,
        n_layers=4,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    return _save(folder, DistilBertModel(config), tokenizer)


def tiny_electra(folder: Path, **settings: object) -> str:
    torch.manual_seed(3)
    tokenizer = _bert_tokenizer(folder)
    sizes = {**SIZES, "embedding_size": 16, "initializer_range": 0.2, **settings}
    config = ElectraConfig(vocab_size=len(tokenizer), **sizes)
    return _save(folder, ElectraModel(config), tokenizer)


def tiny_wide_electra(folder: Path) -> str:
    """Its rows can be kept in blocks of 32 weights."""
    return tiny_electra(folder, embedding_size=32, hidden_size=64)


def tiny_deberta(folder: Path) -> str:
    torch.manual_seed(4)
    tokenizer = _bert_tokenizer(folder)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        initializer_range=0.2,
        **SIZES,
    )
    return _save(folder, DebertaV2Model(config), tokenizer)


def tiny_mdeberta(folder: Path) -> str:
    """As v3 has it: buckets of relative positions, normed, and no projections of their own."""
    torch.manual_seed(7)
    tokenizer = unigram_tokenizer()
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        pad_token_id=1,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        # So few that the windows of tests reach the buckets that hold several distances.
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        type_vocab_size=0,
        initializer_range=0.2,
        **SIZES,
    )
    return _save(folder, DebertaV2Model(config), tokenizer)


def tiny_modernbert(folder: Path, tokenizer: PreTrainedTokenizerFast | None = None) -> str:
    """Normed before each block and once more after the last: `hidden_states[-1]` is not H^L."""
    torch.manual_seed(6)
    tokenizer = tokenizer or _bert_tokenizer(folder)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        initializer_range=0.2,
        initializer_cutoff_factor=2.0,
        local_attention=8,
        reference_compile=False,
        **SIZES,
    )
    return _save(folder, ModernBertModel(config), tokenizer)


def unigram_tokenizer() -> PreTrainedTokenizerFast:
    """A SentencePiece-like tokenizer as XLM-R has it: Unigram pieces that know about spaces."""
    letters = sorted(set(LETTERS))
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(c, -6.0) for c in letters] + [("▁the", -3.0), ("▁in", -3.0), ("▁Ber", -4.0)]
    pieces += [("lin", -4.0), ("▁Anna", -4.0), ("ing", -4.0), ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    )


def tiny_xlm_roberta(folder: Path) -> str:
    return _of_roberta(folder, 5, XLMRobertaConfig, XLMRobertaModel)


def tiny_camembert(folder: Path) -> str:
    return _of_roberta(folder, 8, CamembertConfig, CamembertModel)


def _of_roberta(folder: Path, seed: int, config: Any, model: Any) -> str:
    torch.manual_seed(seed)
    tokenizer = unigram_tokenizer()
    # As in XLM-R, two positions are never used: 66 of them make 64.
    sizes = {**SIZES, "max_position_embeddings": 66, "initializer_range": 0.2}
    made = model(config(vocab_size=len(tokenizer), pad_token_id=1, **sizes))
    return _save(folder, made, tokenizer)


# Byte-pair vocabularies

WORDS = ["the", "in", "Berlin", "lives", "Anna", "able", "un", "ing", "ed", "ä", "北京", "한"]


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """RETURNS: What makes each word letter by letter, in order."""
    pairs = [(word[:end], word[end]) for word in words for end in range(1, len(word))]
    return list(dict.fromkeys(pairs))


def _byte_pair_tokenizer(
    tokenizer: Tokenizer, before: str, after: str, others: dict[str, str]
) -> PreTrainedTokenizerFast:
    """RETURNS: With special tokens around a text and between two."""
    known = tokenizer.get_vocab()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}",
        pair=f"{before} $A {after} $B:1 {after}:1",
        special_tokens=[(token, known[token]) for token in (before, after)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token=before,
        sep_token=after,
        model_max_length=64,
        **others,
    )


def byte_level_tokenizer(first: bool = False) -> PreTrainedTokenizerFast:
    """Pairs of bytes. Special tokens stand first, as RoBERTa's, or last, as ModernBERT's."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [split.pre_tokenize_str(text)[0][0] for word in WORDS for text in (f" {word}", word)]
    merges = _merges(words)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = dict.fromkeys([*letters, *(a + b for a, b in merges)])
    specials = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    order = [*specials, *pieces] if first else [*pieces, *specials]
    vocab = {piece: i for i, piece in enumerate(order)}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    others = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    return _byte_pair_tokenizer(tokenizer, "[CLS]", "[SEP]", others)


def byte_fallback_tokenizer() -> PreTrainedTokenizerFast:
    """As mmBERT and Gemma have it: pairs of letters, spaces are letters, and what is no letter of
    the vocabulary becomes bytes."""
    merges = _merges([text for word in WORDS for text in (f"▁{word}", word)])
    letters = sorted({*LETTERS, "▁"})
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    as_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = dict.fromkeys([*specials, *as_bytes, *letters, *(x for m in merges for x in m)])
    pieces.update(dict.fromkeys(a + b for a, b in merges))
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    others = {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
    return _byte_pair_tokenizer(tokenizer, "<bos>", "<eos>", others)


def tiny_byte_modernbert(folder: Path) -> str:
    return tiny_modernbert(folder, byte_level_tokenizer())


def tiny_mmbert(folder: Path) -> str:
    return tiny_modernbert(folder, byte_fallback_tokenizer())


def tiny_roberta(folder: Path) -> str:
    torch.manual_seed(9)
    tokenizer = byte_level_tokenizer(first=True)
    sizes = {**SIZES, "max_position_embeddings": 66, "initializer_range": 0.2}
    config = RobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **sizes)
    return _save(folder, RobertaModel(config), tokenizer)


def tiny_canine(folder: Path) -> str:
    """Characters, four of which share a vector in most blocks."""
    torch.manual_seed(10)
    # Its own tokenizer is slow to make: it lists a million characters.
    config = CanineConfig(num_hash_buckets=64, **SIZES)
    return _save(folder, CanineModel(config), _bert_tokenizer(folder))


def tiny_mt5(folder: Path) -> str:
    """An encoder and a decoder."""
    torch.manual_seed(11)
    config = MT5Config(vocab_size=501, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    return _save(folder, MT5Model(config), _bert_tokenizer(folder))
