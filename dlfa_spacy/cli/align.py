"""`dlfa align`: cross-lingual training of an encoder, before anything is fine-tuned on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..alignment.methods import Method
    from ..alignment.training.batch import Collator
    from ..alignment.training.examples import Example
    from ..parallel import SentencePair
    from ..runs.plan import Plan

# Held-out pairs that are encoded at once.
_BATCH = 32


def align_cli(
    method: Annotated[str, typer.Argument(help="ml-ctl, ppa, cao, realign, clbt or labse.")],
    encoder: Annotated[str, typer.Argument(help="Folder or Hub name of the encoder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the aligned encoder.")],
    parallel: Annotated[
        Path, typer.Option(help="Parallel text: a file, or a folder of files, <xx>-en.*.")
    ],
    langs: Annotated[str, typer.Option(help="Only these: de,fr. Default: all.")] = "",
    limit: Annotated[int, typer.Option(help="Pairs of a language; 0: all.")] = 0,
    dictionaries: Annotated[
        str,
        typer.Option(
            help="Folder of <xx>-en.txt (MUSE) to link words; default: induced from the text."
        ),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the method: temperature=0.05. May be repeated."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Pairs a batch.")] = 32,
    accumulate: Annotated[int, typer.Option(help="Batches a step.")] = 1,
    learn_rate: Annotated[float, typer.Option(help="Its highest value.")] = 2e-5,
    warmup: Annotated[float, typer.Option(help="Part of the steps in which it rises.")] = 0.1,
    schedule: Annotated[str, typer.Option(help="Then: linear (to 0) or constant.")] = "linear",
    max_length: Annotated[int, typer.Option(help="Wordpieces of a side.")] = 128,
    long_texts: Annotated[
        str,
        typer.Option(help="Longer ones: keep (and cut the end), window (cut between links), drop."),
    ] = "keep",
    held_out: Annotated[
        int, typer.Option(help="Pairs of a language kept for retrieval, not trained on.")
    ] = 100,
    eval_every: Annotated[int, typer.Option(help="Steps between two looks at them.")] = 0,
    patience: Annotated[int, typer.Option(help="Stop after so many looks without gain.")] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 200,
    seed: Annotated[int, typer.Option(help="Of order, masks, dropout.")] = 0,
    bf16: Annotated[bool, typer.Option("--bf16", help="bfloat16 autocast.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for retrieval, CKA and zero-shot scores, before and after."),
    ] = None,
    eval_parallel: Annotated[
        Path | None,
        typer.Option(help="Report: parallel text to measure with; default: the held-out pairs."),
    ] = None,
    eval_limit: Annotated[int, typer.Option(help="Report: pairs of a language; 0: all.")] = 500,
    corpus: Annotated[
        str, typer.Option(help="Report: fine-tune both on this corpus, as for dlfa sweep.")
    ] = "",
    tasks: Annotated[str, typer.Option(help="Report: folders of the corpus: pos,ner.")] = "",
    plan: Annotated[
        Path | None,
        typer.Option(help="Report: a plan of dlfa sweep for methods, seeds, epochs, limits."),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot/--no-plot", help="Report: draw it too (matplotlib).")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from a checkpoint.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Align an encoder's languages with parallel text. The result is a folder for `name` of
    dlfa_spacy.TransformerModel.v1.

    Can be killed at any moment: the same command goes on from OUT.checkpoint.pt, with the result it
    would have had. On several GPUs or machines:
    [cyan]accelerate launch -m dlfa_spacy.cli align ...[/]

    [bold]Examples[/]

      [cyan]dlfa align realign assets/encoder training/aligned --parallel parallel/ --steps 500[/]

      [cyan]dlfa align ml-ctl assets/encoder training/aligned --parallel parallel/ --bf16
      --set temperature=0.05[/]

    What it changed, on other text, and zero-shot:

      [cyan]dlfa align realign assets/encoder training/aligned --parallel parallel/ --report
      report/aligned --eval-parallel pud/ --corpus corpus/xtreme --tasks pos,ner[/]
    """
    with plain_errors():
        import torch

        from ..alignment.methods import create_method
        from ..alignment.methods.create import make_settings
        from ..alignment.training.batch import Collator
        from ..alignment.training.examples import make_examples
        from ..alignment.training.result import save_result
        from ..alignment.training.settings import TrainSettings
        from ..alignment.training.team import join_team, leave_team, team_rank
        from ..alignment.training.train import train
        from ..encoder.segment.pieces import PieceTokenizer
        from ..encoder.storage.loading import load_encoder, max_wordpieces
        from ..files.leftovers import recover

        changes = read_settings(settings or [])
        make_settings(method, changes)
        zero_shot = _zero_shot_plan(
            method, encoder, out, report, eval_parallel, corpus, tasks, plan
        )
        how = TrainSettings(
            steps, batch_size, accumulate, learn_rate, warmup, schedule,
            bf16=bf16, eval_every=eval_every, patience=patience, save_every=save_every, seed=seed,
        )  # fmt: skip
        device = join_team()
        is_first = team_rank() == 0
        if is_first:
            recover(Path(encoder))
            recover(out)
        torch.manual_seed(seed)
        objects = load_encoder(encoder, {}, {})
        pieces = PieceTokenizer(objects.tokenizer)
        longest = max_wordpieces(objects.transformer, objects.tokenizer)
        length = min(max_length, longest)
        sizes = {"tokenizer": pieces, "max_length": length, "long_texts": long_texts}
        pairs, counts = _pairs(parallel, langs, limit, dictionaries, sizes)
        if is_first and not quiet:
            _show_counts(counts)
        room = length - pieces.frames.single_size
        to_train, to_keep = _split(pairs, held_out)
        text, kept = (make_examples(part, pieces, room) for part in (to_train, to_keep))
        languages = sorted({example.language for example in text})
        aligner = create_method(
            method, objects.transformer, objects.tokenizer, changes, languages, encoder
        )
        aligner.to(device)
        if is_first and not quiet:
            for note in notes(aligner):
                output().print(note, highlight=False, soft_wrap=True)
        collate = Collator(pieces, longest)
        evaluate = held_out_retrieval(kept, collate) if kept else None
        before = _look(aligner, evaluate)
        checkpoint = out.with_name(f"{out.name}.checkpoint.pt")
        if not resume and is_first:
            checkpoint.unlink(missing_ok=True)
        with progress(quiet=quiet or not is_first) as bar:
            task = bar.add_task(f"Aligning ({method})", total=steps, detail="")

            def show(row: dict[str, float]) -> None:
                bar.update(task, completed=row["step"], detail=f"loss {row['loss']:.4f}")

            rows = train(aligner, text, collate, how, checkpoint, evaluate, show)
        after = _look(aligner, evaluate)
        leave_team()
        if not is_first:
            return
        save_result(
            aligner,
            out,
            {
                "method": method,
                "encoder": Path(encoder).name,
                "settings": vars(aligner.settings),
                "training": vars(how),
                "data": {"pairs": len(text), "held_out": len(kept), "languages": counts},
                "retrieval": {"before": before, "after": after},
                "losses": rows,
            },
        )
        if not quiet:
            for name in before:
                output().print(
                    f"Retrieval, {name}: {before[name]:.3f} before, {after[name]:.3f} after",
                    highlight=False,
                )
        output().print(f"Wrote {shown(out)}", highlight=False)
        if report is not None:
            title = f"{method}: {Path(encoder).name} before and after {len(rows)} steps"
            texts = (eval_parallel, dictionaries, eval_limit)
            _report(report, title, encoder, out, texts, to_keep, zero_shot, plot, quiet)
        # Last of all: a report that was killed costs no second training.
        checkpoint.unlink(missing_ok=True)


def notes(method: "Method") -> list[str]:
    """RETURNS (List[str]): What somebody should know of the encoder before it trains."""
    from ..alignment.methods.mlm import TiedHead
    from ..encoder.storage.int4_embedding import has_packed_embeddings

    found = []
    if has_packed_embeddings(method.encoder):
        found.append("The encoder's vocabulary is in four bits: its rows stay as they are.")
    if any(isinstance(module, TiedHead) for module in method.modules()):
        found.append(
            "The encoder has no head that guesses masked wordpieces: one that is tied to its "
            "vocabulary is trained along, from the first step on."
        )
    return found


def read_settings(given: list[str]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): `name=value` of each; values as in JSON, other text as it is."""
    found: dict[str, Any] = {}
    for line in given:
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise ValueError(f"--set {line}: expected name=value. Fix: --set temperature=0.05.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def held_out_retrieval(
    examples: "list[Example]", collate: "Collator"
) -> "Callable[[Method], dict[str, float]]":
    """A look at held-out text: CSLS retrieval of sentences by the mean of the last layer.

    examples (List[Example]): Of any languages.
    collate (Collator): Makes batches.
    RETURNS (Callable): From a method to `score`, the mean over languages and both directions, and
        the score of each language. Of a method with maps, vectors are mapped.
    """
    import torch

    from ..alignment.training.order import seeded
    from ..alignment.training.vectors import last_layer, sentence_means
    from ..metrics.retrieval import retrieval

    by_language: dict[str, list[Example]] = {}
    for example in examples:
        by_language.setdefault(example.language, []).append(example)

    def evaluate(method: "Method") -> dict[str, float]:
        device = next(method.parameters()).device
        scores = {}
        for language, found in sorted(by_language.items()):
            sides: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
            for i in range(0, len(found), _BATCH):
                batch = collate(found[i : i + _BATCH], seeded(0, i)).to(device)
                for rows, side in zip(sides, (batch.source, batch.target), strict=True):
                    rows.append(sentence_means(last_layer(method.encoder, side), side.mask))
            foreign, english = torch.cat(sides[0]), torch.cat(sides[1])
            foreign = method.map(foreign, [language] * len(foreign))
            result = retrieval(foreign.cpu().numpy(), english.cpu().numpy())
            scores[language] = (result.csls_forward + result.csls_backward) / 2
        return {"score": sum(scores.values()) / len(scores), **scores}

    return evaluate


def _look(method: "Method", evaluate: Any) -> dict[str, float]:
    import torch

    method.eval()
    with torch.no_grad():
        return dict(evaluate(method)) if evaluate else {}


def _pairs(
    parallel: Path, langs: str, limit: int, dictionaries: str, sizes: dict[str, Any]
) -> "tuple[list[SentencePair], dict[str, dict[str, int]]]":
    """RETURNS: The pairs, and what was met, by language: see `Counts`, and of its dictionary the
    entries, and those left out because they come twice or are two equal words."""
    from ..parallel import ParallelCorpus, induce_dictionaries, read_dictionaries

    wanted = comma_list(langs) or None
    if dictionaries:
        found = read_dictionaries(dictionaries, wanted)
    else:
        found = induce_dictionaries(ParallelCorpus(parallel, languages=wanted, limit=limit))
    corpus = ParallelCorpus(parallel, languages=wanted, dictionaries=found, limit=limit, **sizes)
    pairs = list(corpus)
    counts = {name: counts.as_dict() for name, counts in sorted(corpus.counts.items())}
    for name, known in found.items():
        if name in counts:
            counts[name]["dictionary"] = len(known)
            counts[name]["dictionary_duplicates"] = known.duplicates
            counts[name]["dictionary_identical"] = known.identical
    return pairs, counts


def _show_counts(counts: dict[str, dict[str, int]]) -> None:
    from rich.table import Table

    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    # Columns of zeros say nothing.
    names = [name for name in names if any(row.get(name) for row in counts.values())]
    table = Table("language", title="Parallel text", title_justify="left", header_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for language, row in counts.items():
        table.add_row(language, *(f"{row.get(name, 0):,}" for name in names))
    output().print(table)


def _split(
    pairs: "list[SentencePair]", held_out: int
) -> "tuple[list[SentencePair], list[SentencePair]]":
    """RETURNS: To train on, and the last ones of each language; never more than a fifth."""
    by_language: dict[str, list[SentencePair]] = {}
    for pair in pairs:
        by_language.setdefault(pair.language, []).append(pair)
    text: list[SentencePair] = []
    kept: list[SentencePair] = []
    for found in by_language.values():
        cut = len(found) - min(held_out, len(found) // 5)
        text.extend(found[:cut])
        kept.extend(found[cut:])
    # An English sentence that is held out for one language is not trained on for another.
    english = {pair.target_text for pair in kept}
    return [pair for pair in text if pair.target_text not in english], kept


def _zero_shot_plan(
    method: str,
    encoder: str,
    out: Path,
    report: Path | None,
    eval_parallel: Path | None,
    corpus: str,
    tasks: str,
    plan: Path | None,
) -> "Plan | None":
    """RETURNS: The plan of the report's sweep, checked before hours are spent on training."""
    from ..report.aligned.zero_shot import ZeroShot, make_zero_shot_plan

    if report is None and (eval_parallel or corpus or tasks or plan):
        raise ValueError(
            "--eval-parallel, --corpus, --tasks and --plan say what a report measures, and there "
            "is no --report. Expected a folder. Fix: --report FOLDER."
        )
    if not (corpus or plan):
        return None
    if method == "clbt":
        raise ValueError(
            "clbt leaves the encoder as it is, so that fine-tuning it again says nothing. Expected "
            "no --corpus and no --plan. Fix: leave them out, and use dlfa_spacy.MappedTokens.v1 on "
            "a frozen encoder."
        )
    wanted = ZeroShot(plan, corpus, comma_list(tasks))
    return make_zero_shot_plan(wanted, encoder, str(out))


def _report(
    folder: Path,
    title: str,
    encoder: str,
    out: Path,
    texts: tuple[Path | None, str, int],
    kept: "list[SentencePair]",
    plan: "Plan | None",
    plot: bool,
    quiet: bool,
) -> None:
    import torch

    from ..parallel.linked_text import by_language, read_linked_texts
    from ..report.aligned.report import Report, compare, to_markdown, write_report
    from ..report.aligned.zero_shot import zero_shot_rows

    path, dictionaries, limit = texts
    if path is None:
        found = by_language(kept)
    else:
        found = read_linked_texts(path, dictionaries=dictionaries, limit=limit)
    if not found:
        raise ValueError(
            "There is no text to measure with: no pair was held out. Expected some. Fix: "
            "--held-out 100, or --eval-parallel FOLDER."
        )
    measures = compare(encoder, str(out), found)
    rows = Report(title, measures.retrieval, measures.cka)
    if plan is not None:
        rows.source = plan.source
        device = 0 if torch.cuda.is_available() else -1
        threads = torch.get_num_threads()
        rows.zero_shot = zero_shot_rows(
            plan, folder / "sweep", devices=[device], threads=threads, quiet=quiet
        )
    paths = write_report(rows, folder, plot=plot)
    if not quiet:
        output().print(to_markdown(rows), highlight=False, markup=False, soft_wrap=True)
    for written in paths:
        output().print(f"Wrote {shown(written)}", highlight=False, soft_wrap=True)
