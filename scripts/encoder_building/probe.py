"""Zero-shot probes: fine-tune a copy of the encoder on English tags, score other languages."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import BertModel

Sentence = tuple[list[str], list[str]]


def read_conllu(path: Path) -> list[Sentence]:
    """Read words and UPOS tags; multiword and empty rows are skipped, as are withheld forms."""
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in [*file, "\n"]:
            cells = line.rstrip("\n").split("\t")
            if len(cells) > 3 and cells[0].isdigit():
                words.append(cells[1])
                tags.append(cells[3])
            elif not line.strip() and words:
                if set(words) != {"_"}:
                    sentences.append((words, tags))
                words, tags = [], []
    return sentences


def read_iob2(path: Path) -> list[Sentence]:
    """Read words and IOB2 tags, one `word<TAB>tag` a line."""
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in [*file, "\n"]:
            word, tab, tag = line.rstrip("\n").rpartition("\t")
            if tab:
                words.append(word)
                tags.append(tag)
            elif words:
                sentences.append((words, tags))
                words, tags = [], []
    return sentences


@dataclass
class Batch:
    """ids (B, T), mask (B, T), owner (B, T): index of the word a piece belongs to, -1 for
    none; tags (W,): tag of each word."""

    ids: torch.Tensor
    mask: torch.Tensor
    owner: torch.Tensor
    tags: torch.Tensor


def make_batches(
    sentences: Sequence[Sentence], tokenizer: Tokenizer, labels: Mapping[str, int], size: int
) -> list[Batch]:
    """Cut sentences into padded batches of like length; unknown tags become -100.

    sentences (Sequence[Sentence]): Words and tags.
    tokenizer (Tokenizer): The encoder's.
    labels (Mapping[str, int]): Tag -> class.
    size (int): Sentences a batch.
    RETURNS (list[Batch]): The batches.
    """
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    unk = tokenizer.token_to_id("[UNK]")
    rows = []
    for words, tags in sentences:
        ids, owner = [cls], [-1]
        for k, encoding in enumerate(tokenizer.encode_batch(list(words), add_special_tokens=False)):
            pieces = (encoding.ids or [unk])[:12]
            if len(ids) + len(pieces) > 200:
                tags = tags[:k]
                break
            ids += pieces
            owner += [k] * len(pieces)
        rows.append(([*ids, sep], [*owner, -1], tags))
    rows.sort(key=lambda row: len(row[0]))
    batches = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        longest = max(len(ids) for ids, _, _ in part)
        table = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros_like(table)
        owners = torch.full_like(table, -1)
        tags_out: list[int] = []
        for r, (ids, words_of_pieces, tags) in enumerate(part):
            table[r, : len(ids)] = torch.tensor(ids)
            mask[r, : len(ids)] = 1
            shifted = [k + len(tags_out) if k >= 0 else -1 for k in words_of_pieces]
            owners[r, : len(ids)] = torch.tensor(shifted)
            tags_out += [labels.get(tag, -100) for tag in tags]
        batches.append(Batch(table, mask, owners, torch.tensor(tags_out)))
    return batches


def word_vectors(states: torch.Tensor, owner: torch.Tensor, n_words: int) -> torch.Tensor:
    """Mean over the pieces of each word: (B, T, E), (B, T) -> (W, E)."""
    flat = owner.reshape(-1)
    inside = flat >= 0
    rows = states.reshape(-1, states.shape[-1])[inside]
    total = torch.zeros(n_words, states.shape[-1], dtype=rows.dtype).index_add(
        0, flat[inside], rows
    )
    number = torch.zeros(n_words, dtype=rows.dtype).index_add(
        0, flat[inside], torch.ones(int(inside.sum()), dtype=rows.dtype)
    )
    return total / number.clamp(min=1).unsqueeze(1)


def entity_spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Entities of an IOB2 sequence; an I- that continues nothing opens one (as conlleval does)."""
    spans: set[tuple[int, int, str]] = set()
    start, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        head, _, name = tag.partition("-")
        if kind and (head in ("B", "O") or name != kind):
            spans.add((start, i, kind))
            kind = ""
        if head in ("B", "I") and not kind:
            start, kind = i, name
    return spans


@dataclass
class ProbeTask:
    """One task: English training sentences, test sentences per language, `pos` or `ner`."""

    name: str
    train: list[Sentence]
    tests: dict[str, list[Sentence]]


def load_task(
    folder: Path, name: str, langs: Sequence[str], *, n_train: int, part: slice
) -> ProbeTask:
    """Load a probe.

    folder (Path): Holds `pos/<lang>/*.conllu` and `ner-wikiann/<lang>/*.iob2`.
    name (str): "pos" or "ner".
    langs (Sequence[str]): Languages to score; those without a file are left out.
    n_train (int): English training sentences.
    part (slice): Which sentences of each test file to score.
    RETURNS (ProbeTask): The task.
    """
    room, ending, read = (
        ("pos", "conllu", read_conllu) if name == "pos" else ("ner-wikiann", "iob2", read_iob2)
    )
    tests = {}
    for lang in langs:
        for split in ("test", "dev"):
            path = folder / room / lang / f"{split}.{ending}"
            if path.is_file():
                tests[lang] = read(path)[part]
                break
    train = read(folder / room / "en" / f"train.{ending}")
    random.Random(0).shuffle(train)
    return ProbeTask(name, train[:n_train], tests)


def run_probe(
    encoder: BertModel,
    tokenizer: Tokenizer,
    task: ProbeTask,
    *,
    epochs: int = 3,
    rate: float = 1e-4,
    head_rate: float = 1e-3,
    batch: int = 32,
    seed: int = 0,
    bf16: bool = True,
    freeze_embeddings: bool = False,
) -> dict[str, float]:
    """Fine-tune a copy of the encoder on English, and score every language.

    encoder (BertModel): It is not changed.
    tokenizer (Tokenizer): Its tokenizer.
    task (ProbeTask): What to learn.
    epochs, rate, head_rate, batch, seed: Of the fine-tuning (AdamW, linear decay).
    bf16 (bool): Run matrix products in bfloat16.
    freeze_embeddings (bool): Keep the embedding matrix as it is.
    RETURNS (dict[str, float]): Percent per language: token accuracy, or entity F1.
    """
    torch.manual_seed(seed)
    model = copy.deepcopy(encoder).float().train()
    model.requires_grad_(True)
    tags = sorted({tag for _, sequence in task.train for tag in sequence})
    labels = {tag: i for i, tag in enumerate(tags)}
    head = nn.Linear(model.config.hidden_size, len(tags))
    if freeze_embeddings:
        model.embeddings.requires_grad_(False)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.requires_grad], "lr": rate},
        {"params": list(head.parameters()), "lr": head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    batches = make_batches(task.train, tokenizer, labels, batch)
    steps = max(1, epochs * len(batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (0.1 * steps + 1), max(0.0, 1 - step / steps))
    )
    order = random.Random(seed)
    for _ in range(epochs):
        order.shuffle(batches)
        for item in batches:
            logits = _logits(model, head, item, bf16)
            loss = nn.functional.cross_entropy(logits, item.tags, ignore_index=-100)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    model.eval()
    return {
        lang: _score(model, head, make_batches(sentences, tokenizer, labels, 64), task, tags, bf16)
        for lang, sentences in task.tests.items()
    }


def _logits(model: nn.Module, head: nn.Module, item: Batch, bf16: bool) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        states = model(item.ids, attention_mask=item.mask).last_hidden_state
    logits: torch.Tensor = head(word_vectors(states.float(), item.owner, len(item.tags)))
    return logits


@torch.no_grad()
def _score(
    model: nn.Module,
    head: nn.Module,
    batches: Sequence[Batch],
    task: ProbeTask,
    tags: Sequence[str],
    bf16: bool,
) -> float:
    right = total = 0
    entities: Counter[str] = Counter()
    for item in batches:
        guess = _logits(model, head, item, bf16).argmax(1)
        if task.name == "pos":
            right += int((guess == item.tags).sum())
            total += len(item.tags)
            continue
        for row in item.owner:
            words = torch.unique(row[row >= 0])
            gold_tags = [tags[int(t)] if t >= 0 else "O" for t in item.tags[words]]
            gold = entity_spans(gold_tags)
            found = entity_spans([tags[int(t)] for t in guess[words]])
            entities.update(gold=len(gold), found=len(found), both=len(gold & found))
    if task.name == "pos":
        return 100.0 * right / max(total, 1)
    return 200.0 * entities["both"] / max(entities["gold"] + entities["found"], 1)


def majority_scores(task: ProbeTask) -> dict[str, float]:
    """Score the commonest English tag: token accuracy; for entities it finds none, F1 is 0."""
    tag = Counter(t for _, tags in task.train for t in tags).most_common(1)[0][0]
    scores = {}
    for lang, sentences in task.tests.items():
        gold = [t for _, tags in sentences for t in tags]
        share = 100.0 * sum(t == tag for t in gold) / max(len(gold), 1)
        scores[lang] = share if task.name == "pos" else 0.0
    return scores
