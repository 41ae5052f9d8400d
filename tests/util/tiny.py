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
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerFast,
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


def _save(folder: Path, model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> str:
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


def tiny_electra(folder: Path) -> str:
    torch.manual_seed(3)
    tokenizer = _bert_tokenizer(folder)
    config = ElectraConfig(
        vocab_size=len(tokenizer), embedding_size=16, initializer_range=0.2, **SIZES
    )
    return _save(folder, ElectraModel(config), tokenizer)


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


def tiny_modernbert(folder: Path) -> str:
    """Normed before each block and once more after the last: `hidden_states[-1]` is not H^L."""
    torch.manual_seed(6)
    tokenizer = _bert_tokenizer(folder)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
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
    torch.manual_seed(5)
    tokenizer = unigram_tokenizer()
    # As in XLM-R, two positions are never used: 66 of them make 64.
    sizes = {**SIZES, "max_position_embeddings": 66, "initializer_range": 0.2}
    config = XLMRobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **sizes)
    return _save(folder, XLMRobertaModel(config), tokenizer)
