"""Texts and the same with synonyms: attention alike, embeddings not (Ding et al. 2022)."""

import copy
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor

from ..alignment.losses import (
    attention_distance,
    attention_maps,
    attention_of_words,
    means_apart,
)
from ..alignment.training.batch import Batch, Side
from ..alignment.training.examples import Example
from ..alignment.training.method import Method
from ..alignment.training.vectors import hidden_states, sentence_means
from ..checks import check_number
from ..encoder.model import TransformerModel
from ..encoder.run.packed_rows import rows_of
from ..encoder.run.rows.bert import BertRows
from ..pairs import texts_of
from ..parallel.pair import SentencePair
from ..tokenizer import make_tokenizer
from .augmenters import build_synonyms_v1
from .distill.labelled_texts import Texts
from .joint import JointLoss, check_positive
from .reference import SECTION, Reference, cut_pairs
from .word_switcher import WordSwitcher

LANGUAGE = "en"


@dataclass(frozen=True)
class EarSettings:
    """Settings of EAR, see `build_ear_v1`."""

    push: float
    pull: float
    layer: int
    cap: float


class Ear(Method):
    """push x means_apart(H^0 of the text, of the copy) + pull x attention_distance(layer l).

    The attention of a block is computed anew from what the block reads.
    """

    settings_class = EarSettings
    needs_links = True

    def __init__(self, encoder: Any, tokenizer: Any, settings: EarSettings):
        super().__init__(encoder, tokenizer, settings)
        kind = rows_of(encoder)
        if kind is None or not issubclass(kind, BertRows) or not kind.computes(encoder):
            raise ValueError(
                f"{SECTION} the encoder ({type(encoder).__name__}) has no attention like BERT's. "
                "Expected BERT, RoBERTa, XLM-R, CamemBERT or ELECTRA. Fix: leave ear.v1 out, or "
                "use another encoder."
            )
        blocks = kind.blocks(encoder)
        layer = settings.layer
        wanted = f"a block of the encoder, from 1 to {len(blocks)}"
        check_number(f"{SECTION} layer", layer, 1 <= layer <= len(blocks), wanted, len(blocks) // 2)
        # Not a module of this one: the encoder's.
        block: Any = blocks[layer - 1]
        self._attention = [block.attention.self]

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: EarSettings = self.settings
        sides = zip((batch.source, batch.target), batch.links.T, strict=True)
        copied, text = (self._read(side, chosen, batch.link_pairs) for side, chosen in sides)
        apart = means_apart(copied[0], text[0], settings.cap)
        pulled = attention_distance(copied[1], text[1])
        loss = settings.push * apart + settings.pull * pulled
        return {"loss": loss, "embeddings": apart, "attention": pulled}

    def _read(self, side: Side, chosen: Tensor, pairs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """RETURNS (Tuple[Tensor, List[Tensor]]): The mean of H^0, `(B, E)`, and the attention
        between the chosen words of each text."""
        layers = (0, self.settings.layer - 1)
        embedded, read = hidden_states(self.encoder, side.ids, side.mask, layers)
        attention: Any = self._attention[0]
        heads = (attention.num_attention_heads, -1)
        query, key = (
            project(read).unflatten(-1, heads).transpose(1, 2)
            for project in (attention.query, attention.key)
        )
        maps = attention_maps(query, key, side.mask)
        words = side.words
        found = attention_of_words(maps, words.rows, words.lengths, chosen, pairs)
        return sentence_means(embedded, side.mask), found


@dataclass(frozen=True)
class Copies:
    """Texts, each with copies in which words are synonyms. Read when they are needed, and the same
    each time.

    texts (Texts): The texts; the two texts of a pair are each a text.
    switcher (WordSwitcher): Draws the words.
    copies (int): Of each text; those in which no word was drawn are left out.
    max_length (int): Wordpieces of a side, special tokens included.
    """

    texts: Texts
    switcher: WordSwitcher
    copies: int
    max_length: int

    def read(self, model: TransformerModel, links: bool) -> list[Example]:
        """
        model (TransformerModel): Whose wordpieces the texts are cut into.
        links (bool): Not used: word i of a text belongs to word i of its copy.
        RETURNS (List[Example]): The pairs.
        RAISES (ValueError): No word of the texts has synonyms.
        """
        # What it draws depends on how many texts it has seen.
        switcher = copy.deepcopy(self.switcher)
        nlp = spacy.blank("xx")
        nlp.tokenizer = make_tokenizer(nlp)
        docs = self.texts.read(nlp)
        pairs = (pair for doc in docs for pair in copies_of(doc, switcher, self.copies))
        found = cut_pairs(pairs, model, self.max_length)
        if not found:
            raise ValueError(
                f"{SECTION} texts = {str(self.texts.path)!r}: no word has synonyms, so there is no "
                "copy. Expected English texts, and synonyms of their words. Fix: name another file."
            )
        return found


def copies_of(doc: Doc, switcher: WordSwitcher, copies: int) -> Iterator[SentencePair]:
    """Pair a text, or both texts of a pair, with copies.

    doc (Doc): The text.
    switcher (WordSwitcher): Draws the words.
    copies (int): How often.
    YIELDS (SentencePair): A copy as the foreign side, the text as the English one; word i of one
        is linked to word i of the other.
    """
    for _ in range(copies):
        drawn = switcher.draw(doc)
        for side in texts_of(doc):
            tokens = [token for token in side if not token.is_space]
            words = [token.text for token in tokens]
            copied = [drawn.get(token.i, token.text) for token in tokens]
            if words != copied:
                links = [(i, i) for i in range(len(tokens))]
                text = "".join(drawn.get(t.i, t.text) + t.whitespace_ for t in side)
                yield SentencePair(LANGUAGE, copied, words, links, text.strip(), side.text)


def build_ear_v1(
    texts: str,
    synonyms: str,
    push: float = 0.1,
    pull: float = 1.0,
    layer: int = 6,
    cap: float = 1.0,
    token_rate: float = 1.0,
    copies: int = 3,
    limit: int = 0,
    every: int = 1,
    batch_size: int = 16,
    max_length: int = 128,
    seed: int = 0,
    component: str = "transformer",
) -> Callable[[Language, dict[str, Any]], None]:
    """Experimental. Fine-tune an encoder that attends to a text as to a copy of it with synonyms:
    task loss + pull x attention-pull + push x embedding-push.

    Before each step (or each `every`-th) a batch of texts and copies goes through the lower layers
    of the encoder. To train the components on copies, too, as the paper does, add the augmenter
    `dlfa_spacy.synonyms.v1` with `keep_original = true`.

    texts (str): What the pipeline is trained on: a corpus, or text lines (.txt); a file or a
        folder.
    synonyms (str): As the `path` of `dlfa_spacy.synonyms.v1`.
    push (float): Weight of minus the squared distance of the mean embeddings of text and copy.
    pull (float): Weight of the mean squared difference of attention between words.
    layer (int): Of which block, from 1.
    cap (float): How far the embeddings are pushed apart, as a squared distance; the loss of the
        paper has no end.
    token_rate (float): Share of the words that are looked up.
    copies (int): Of each text.
    limit (int): Texts; 0 for all.
    every (int): Steps between two batches.
    batch_size (int): Pairs of a text and a copy in a batch.
    max_length (int): Wordpieces of a text, special tokens included.
    seed (int): Of the copies, and of the order of the pairs.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].
    RAISES (ValueError): A setting is out of range; at the first step, the encoder is of another
        kind, or there are no copies.

    Source: Ding et al. 2022 (Zero-Shot Cross-Lingual Transfer with Embedding-Push, Attention-Pull,
    and Robust Targets), the authors' code, which compares wordpieces, padding included; here words
    are, as a copy has other wordpieces. Their scores were chosen on test.

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.ear.v1"
    texts = "corpus/en/train.spacy"
    synonyms = "synonyms.json"
    ```
    """
    check_positive(copies=copies, every=every, batch_size=batch_size)
    for name, value in (("push", push), ("pull", pull), ("cap", cap)):
        check_number(f"{SECTION} {name}", value, 0 <= value < math.inf, "0 or more", 0.1)
    switcher = build_synonyms_v1(synonyms, token_rate=token_rate, seed=seed)
    source = Copies(Texts(Path(texts), LANGUAGE, limit), switcher, copies, max_length)
    make = functools.partial(_ear, settings=EarSettings(push, pull, layer, cap))
    return JointLoss(Reference("ear", make, source, batch_size, seed), 1.0, every, component)


def _ear(model: TransformerModel, settings: EarSettings) -> Ear:
    return Ear(model.transformer, model.tokenizer, settings)
