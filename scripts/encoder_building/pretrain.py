"""Continued training of a graft, or training from scratch: one loop for both.

Objectives, each drawn with its share at every step:

* `foreign`: the frozen English body reads a foreign sentence as grafted *words* (one embedding a
  word, any of tens of thousands), the student reads it as wordpieces, and the states of each word
  must agree at every layer. Uses monolingual text of every language.
* `parallel`: the teacher reads the English translation; states of linked words must agree.
* `english`: the teacher reads lower-cased English, the student cased English: keeps English.
* `mlm`: masked language modelling on monolingual text; `tlm` the same over a pair and its
  translation (Conneau and Lample 2019). From scratch these two are all there is.

In the first three a share of the student's words is masked, so that context must stand in for
them. Every step's batch is a function of (seed, step): a resumed run repeats an unbroken one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm
from transformers import BertModel

from .examples import Example, Pool, TeacherTable
from .state import load_state, save_state

DISTIL = ("foreign", "parallel", "english")


@dataclass
class PretrainSettings:
    """What continued training can be tuned by."""

    shares: dict[str, float] = field(
        default_factory=lambda: {"foreign": 0.4, "parallel": 0.4, "english": 0.2}
    )
    steps: int = 2000
    frozen_steps: int = 150
    sentences: int = 64
    embedding_rate: float = 1e-3
    body_rate: float = 2e-4
    warmup: int = 100
    final_rate: float = 0.05
    anchor: float = 1e-4
    mask_words: float = 0.1
    smoothing: float = 0.35
    state_every: int = 200
    probe_every: int = 0
    shard_mib: float = 16.0
    bf16: bool = True
    seed: int = 0


class Head(nn.Module):
    """BERT's masked-language-model head, tied to the embedding matrix."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, states: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, E) states -> (M, V) logits."""
        hidden = self.norm(nn.functional.gelu(self.dense(states)))
        return hidden @ embeddings.T + self.bias


@dataclass
class Padded:
    ids: torch.Tensor
    mask: torch.Tensor
    owner: torch.Tensor
    types: torch.Tensor
    word_start: list[int]
    n_words: int


def pad(
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
    cls: int,
    sep: int,
    *,
    second: Sequence[np.ndarray] | None = None,
) -> Padded:
    """Stack sentences (pieces, owners) into one padded batch with global word numbers."""
    seconds = second or [np.zeros(0, dtype=np.int64)] * len(rows)
    lengths = [
        len(a) + 2 + (len(b) + 1 if len(b) else 0) for (a, _), b in zip(rows, seconds, strict=True)
    ]
    longest = max(lengths)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    types = torch.zeros_like(ids)
    owner = torch.full_like(ids, -1)
    starts, n = [], 0
    for r, ((pieces, words), other) in enumerate(zip(rows, seconds, strict=True)):
        k = len(pieces)
        ids[r, 0] = cls
        ids[r, 1 : k + 1] = torch.from_numpy(pieces)
        ids[r, k + 1] = sep
        if len(other):
            ids[r, k + 2 : k + 2 + len(other)] = torch.from_numpy(other)
            ids[r, k + 2 + len(other)] = sep
            types[r, k + 2 : lengths[r]] = 1
        mask[r, : lengths[r]] = 1
        owner[r, 1 : k + 1] = torch.from_numpy(words) + n
        starts.append(n)
        n += int(words[-1]) + 1 if k else 0
    return Padded(ids, mask, owner, types, starts, n)


def pool_words(states: torch.Tensor, owner: torch.Tensor, n_words: int) -> torch.Tensor:
    """Mean over the pieces of each word: (B, T, E) -> (W, E)."""
    flat = owner.reshape(-1)
    inside = flat >= 0
    rows = states.reshape(-1, states.shape[-1])[inside].float()
    total = torch.zeros(n_words, rows.shape[1]).index_add(0, flat[inside], rows)
    number = torch.zeros(n_words).index_add(0, flat[inside], torch.ones(len(rows)))
    return total / number.clamp(min=1).unsqueeze(1)


def distil_loss(student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> torch.Tensor:
    """Squared distance of linked words, relative to the teacher's variance, mean over layers.

    student, teacher (Sequence[torch.Tensor]): (K, E) for each layer.
    RETURNS (torch.Tensor): (K,) one loss a link.
    """
    total = torch.zeros(len(student[0]))
    for s, t in zip(student, teacher, strict=True):
        spread = (t - t.mean(0)).pow(2).sum(1).mean().clamp(min=1e-3)
        total = total + (s - t).pow(2).sum(1) / spread
    return total / len(student)


class Trainer:
    """Holds the student, the teacher and the optimiser of one run."""

    def __init__(
        self,
        student: BertModel,
        tokenizer: Tokenizer,
        pools: Sequence[Pool],
        settings: PretrainSettings,
        folder: Path,
        *,
        teacher: BertModel | None = None,
        table: TeacherTable | None = None,
    ) -> None:
        if teacher is None and any(settings.shares.get(name) for name in DISTIL):
            raise ValueError(
                f"shares: found {settings.shares} without a teacher, expected only 'mlm' and "
                "'tlm'. Start from a graft, or set the other shares to 0."
            )
        self.student, self.settings, self.folder = student, settings, folder
        self.teacher = teacher.eval().requires_grad_(False) if teacher else None
        self.table = table
        self.pools: dict[str, list[Pool]] = {}
        for pool in pools:
            if pool.examples:
                self.pools.setdefault(pool.objective, []).append(pool)
        names = [n for n, share in settings.shares.items() if share > 0]
        missing = [name for name in names if name not in self.pools]
        if missing:
            raise ValueError(
                f"shares: found objectives {missing} that have no text, expected some of "
                f"{sorted(self.pools)}. Give that text, or set their share to 0."
            )
        self.names = names
        self.cls, self.sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
        self.mask_id = tokenizer.token_to_id("[MASK]")
        self.size = tokenizer.get_vocab_size()
        torch.manual_seed(settings.seed)
        self.head = Head(student.config.hidden_size, self.size)
        self.start = student.embeddings.word_embeddings.weight.detach().clone()
        embeddings = [student.embeddings.word_embeddings.weight]
        body = [
            p
            for n, p in student.named_parameters()
            if "word_embeddings" not in n and not n.startswith("pooler")
        ]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": embeddings, "lr": settings.embedding_rate, "weight_decay": 0.0},
                {"params": body, "lr": settings.body_rate, "weight_decay": 0.0},
                {"params": list(self.head.parameters()), "lr": 1e-3, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.tokens: dict[str, int] = {}
        self.losses: dict[str, list[float]] = {}
        self._resume()

    # State -------------------------------------------------------------------------------

    def _tensors(self) -> dict[str, torch.Tensor]:
        out = {f"model.{k}": v for k, v in self.student.state_dict().items()}
        out |= {f"head.{k}": v for k, v in self.head.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            out |= {f"adam.{i}.{k}": v for k, v in state.items()}
        out["start"] = self.start
        return out

    def save(self) -> None:
        """Write everything that a resumed run needs."""
        info = {
            "step": self.step, "seconds": self.seconds, "tokens": self.tokens,
            "losses": self.losses, "settings": asdict(self.settings),
        }  # fmt: skip
        save_state(self.folder, self._tensors(), info, shard_mib=self.settings.shard_mib)

    def _resume(self) -> None:
        found = load_state(self.folder)
        if found is None:
            return
        tensors, info = found
        self.student.load_state_dict(
            {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}
        )
        self.head.load_state_dict({k[5:]: v for k, v in tensors.items() if k.startswith("head.")})
        state = self.optimiser.state_dict()
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".", 2)
                state["state"].setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict(state)
        self.start = tensors["start"]
        self.step, self.seconds = info["step"], info["seconds"]
        self.tokens, self.losses = info["tokens"], info["losses"]

    # Batches -----------------------------------------------------------------------------

    def draw(self, step: int) -> tuple[str, list[tuple[str, Example]]]:
        """Draw one step's objective and sentences, all of like length."""
        rng = np.random.default_rng([self.settings.seed, step])
        shares = np.array([self.settings.shares[name] for name in self.names], dtype=float)
        name = self.names[int(rng.choice(len(self.names), p=shares / shares.sum()))]
        pools = self.pools[name]
        sizes = np.array([pool.pieces for pool in pools], dtype=float) ** self.settings.smoothing
        chosen = rng.choice(len(pools), size=self.settings.sentences * 4, p=sizes / sizes.sum())
        found = []
        for k in chosen:
            pool = pools[int(k)]
            found.append((pool.lang, pool.examples[int(rng.integers(len(pool.examples)))]))
        # Of four times as many sentences, one run of neighbours in length: little padding.
        found.sort(key=lambda item: len(item[1].student))
        start = int(rng.integers(4)) * self.settings.sentences
        return name, found[start : start + self.settings.sentences]

    # Losses ------------------------------------------------------------------------------

    def _masked(self, batch: Padded, seed: int) -> torch.Tensor:
        """Replace all pieces of some words by [MASK]."""
        generator = torch.Generator().manual_seed(seed)
        hidden = torch.rand(batch.n_words + 1, generator=generator) < self.settings.mask_words
        hidden[-1] = False
        return torch.where(hidden[batch.owner], torch.tensor(self.mask_id), batch.ids)

    def distil(self, items: list[tuple[str, Example]], step: int) -> torch.Tensor:
        """Loss of each link (K,) against the frozen English body."""
        assert self.teacher is not None and self.table is not None
        s = pad([(e.student, e.student_owner) for _, e in items], self.cls, self.sep)
        t = pad([(e.teacher, e.teacher_owner) for _, e in items], self.table.cls, self.table.sep)
        left = np.concatenate(
            [e.links[:, 0] + n for (_, e), n in zip(items, s.word_start, strict=True)]
        )
        right = np.concatenate(
            [e.links[:, 1] + n for (_, e), n in zip(items, t.word_start, strict=True)]
        )
        ids = self._masked(s, step)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.settings.bf16):
            with torch.no_grad():
                goal = self.teacher(
                    inputs_embeds=self.table.table[t.ids],
                    attention_mask=t.mask,
                    output_hidden_states=True,
                ).hidden_states
            states = self.student(
                ids, attention_mask=s.mask, output_hidden_states=True
            ).hidden_states
        i, j = torch.from_numpy(left), torch.from_numpy(right)
        return distil_loss(
            [pool_words(h, s.owner, s.n_words)[i] for h in states[1:]],
            [pool_words(h, t.owner, t.n_words)[j] for h in goal[1:]],
        )

    def masked_lm(
        self, items: list[tuple[str, Example]], step: int, *, pairs: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross entropy of each masked piece (M,), and the sentence of each."""
        second = [e.teacher for _, e in items] if pairs else None
        s = pad([(e.student, e.student_owner) for _, e in items], self.cls, self.sep, second=second)
        generator = torch.Generator().manual_seed(step)
        open_ = (s.mask == 1) & (s.ids != self.cls) & (s.ids != self.sep)
        chosen = (torch.rand(s.ids.shape, generator=generator) < 0.15) & open_
        if not chosen.any():
            chosen[0, 1] = True
        how = torch.rand(s.ids.shape, generator=generator)
        noise = torch.randint(5, self.size, s.ids.shape, generator=generator)
        ids = torch.where(chosen & (how < 0.8), torch.tensor(self.mask_id), s.ids)
        ids = torch.where(chosen & (how >= 0.9), noise, ids)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.settings.bf16):
            states = self.student(
                ids, attention_mask=s.mask, token_type_ids=s.types
            ).last_hidden_state
            logits = self.head(states[chosen], self.student.embeddings.word_embeddings.weight)
        loss = nn.functional.cross_entropy(logits.float(), s.ids[chosen], reduction="none")
        return loss, chosen.nonzero()[:, 0]

    # The loop ----------------------------------------------------------------------------

    def _rate(self) -> float:
        s = self.settings
        done = self.step / max(s.steps, 1)
        decay = s.final_rate + (1 - s.final_rate) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return min(1.0, (self.step + 1) / max(s.warmup, 1)) * decay

    def train_step(self) -> dict[str, float]:
        """Take one step; returns the loss per `objective/language`."""
        s = self.settings
        name, items = self.draw(self.step)
        torch.manual_seed(s.seed * 1_000_003 + self.step)
        # A teacher's states are an exact target: dropout would only blur them.
        self.student.train(name not in DISTIL)
        frozen = self.step < s.frozen_steps
        rate = self._rate()
        rates = (s.embedding_rate * rate, 0.0 if frozen else s.body_rate * rate, 1e-3 * rate)
        for group, value in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = value
        for p in self.optimiser.param_groups[1]["params"]:
            p.requires_grad_(not frozen)
        if name in DISTIL:
            losses = self.distil(items, self.step)
            sentence = np.repeat(np.arange(len(items)), [len(e.links) for _, e in items])
        else:
            losses, rows = self.masked_lm(items, self.step, pairs=name == "tlm")
            sentence = rows.numpy()
        self.optimiser.zero_grad()
        losses.mean().backward()
        nn.utils.clip_grad_norm_(
            [p for g in self.optimiser.param_groups for p in g["params"] if p.grad is not None], 1.0
        )
        self.optimiser.step()
        with torch.no_grad():
            # A pull towards the graft: pieces that text rarely shows must not drift.
            weight = self.student.embeddings.word_embeddings.weight
            weight.lerp_(self.start, s.anchor * rate)
        self.step += 1
        values = losses.detach().numpy()
        out: dict[str, float] = {}
        for lang in {lang for lang, _ in items}:
            mine = np.array([other == lang for other, _ in items])[sentence]
            if mine.any():
                out[f"{name}/{lang}"] = float(values[mine].mean())
        for lang, example in items:
            self.tokens[lang] = self.tokens.get(lang, 0) + len(example.student)
        for key, value in out.items():
            self.losses.setdefault(key, []).append(value)
            self.losses[key] = self.losses[key][-50:]
        return out

    def run(
        self,
        *,
        until: int | None = None,
        deadline: float | None = None,
        probe: Callable[[Trainer], None] | None = None,
        progress: bool = True,
    ) -> None:
        """Train up to a step or a wall-clock time, saving and probing on the way.

        until (int): Step to stop at; the settings' number of steps by default.
        deadline (float): `time.time()` after which to save and stop.
        probe (Callable): Called every `probe_every` steps.
        progress (bool): Show tokens/s and the mean loss per objective and language.
        """
        s = self.settings
        until = s.steps if until is None else min(until, s.steps)
        with tqdm(total=until, initial=self.step, disable=not progress, mininterval=10) as bar:
            seen, before = sum(self.tokens.values()), time.time()
            while self.step < until and (deadline is None or time.time() < deadline):
                started = time.time()
                self.train_step()
                self.seconds += time.time() - started
                bar.update()
                if self.step % 50 == 0:
                    speed = (sum(self.tokens.values()) - seen) / max(time.time() - before, 1e-9)
                    bar.set_postfix_str(f"{speed:,.0f} tokens/s {self.summary()}")
                if self.step % s.state_every == 0:
                    self.save()
                if probe is not None and s.probe_every and self.step % s.probe_every == 0:
                    probe(self)
            self.save()

    def mean_losses(self) -> dict[str, float]:
        """Mean of the latest losses of each objective and language."""
        return {key: float(np.mean(values)) for key, values in sorted(self.losses.items())}

    def summary(self) -> str:
        """One line of losses."""
        return json.dumps({k: round(v, 2) for k, v in self.mean_losses().items()})
