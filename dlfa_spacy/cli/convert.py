"""`dlfa convert`: public corpus formats to spaCy's."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import TaskID

from .console import comma_list, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..corpora import Conversion, ReadingOptions


class Format(str, Enum):
    """Names of --format."""

    auto = "auto"
    conllu = "conllu"
    iob2 = "iob2"
    tsv = "tsv"
    jsonl = "jsonl"
    xnli = "xnli"
    pawsx = "pawsx"


class Multiword(str, Enum):
    """Names of --multiword."""

    surface = "surface"
    syntactic = "syntactic"


class Spaces(str, Enum):
    """Names of --spaces."""

    auto = "auto"
    always = "always"
    none = "none"


def convert_cli(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A file, or a folder with [bold]<lang>/<split>.conllu[/] (.iob2, .tsv, .jsonl), "
            "a Universal Dependencies release (UD_German-GSD/de_gsd-ud-test.conllu), or the files "
            "of XNLI (xnli.test.tsv), PAWS-X (de/test_2k.tsv) or XTREME (test-de.tsv).",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT",
            help="For a folder, the folder that gets <lang>/<split>.spacy. For a file, a .spacy "
            "file or the folder for it.",
        ),
    ],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="auto: by the suffix or the first lines. iob2: token TAB tag. tsv, jsonl: "
            "labeled texts or pairs, columns or keys category, text or sentence1, sentence2, "
            "label. xnli, pawsx: pairs with the labels of these corpora.",
        ),
    ] = Format.auto,
    lang: Annotated[
        str,
        typer.Option("--lang", "-l", help="Language of a single file, if its path does not tell."),
    ] = "",
    langs: Annotated[
        str, typer.Option("--langs", help="Of a folder, only these languages: de,fr.")
    ] = "",
    splits: Annotated[
        str, typer.Option("--splits", help="Of a folder, only these splits: train,dev.")
    ] = "",
    tasks: Annotated[
        str,
        typer.Option(
            help="The folder holds a corpus for each of these tasks, and so will the other: "
            "[bold]pos,ner=panx,xnli[/], where panx is what the corpus of ner is called."
        ),
    ] = "",
    multiword: Annotated[
        Multiword,
        typer.Option(
            help="CoNLL-U: [bold]surface[/] makes one token of [i]zum[/], with the UPOS of its "
            "highest part, as XTREME does; [bold]syntactic[/] makes two, [i]zu dem[/], with a "
            "space between them."
        ),
    ] = Multiword.surface,
    spaces: Annotated[
        Spaces,
        typer.Option(
            help="IOB2 records no spaces: auto joins tokens by spaces except in Chinese, Japanese, "
            "Thai, Lao, Khmer and Burmese."
        ),
    ] = Spaces.auto,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Sentences or pairs to keep per file, drawn with --seed; 0 for all."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of --limit.")] = 0,
    max_length: Annotated[
        int,
        typer.Option(
            min=0, help="Cut sentences of more tokens, never inside an entity; 0 for no limit."
        ),
    ] = 0,
    labels: Annotated[
        str,
        typer.Option(
            help="Of labeled texts, all labels in order: [bold]negative,neutral,positive[/]. "
            "Names classes that a file numbers 0, 1, 2. By default the labels of the training set."
        ),
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Turn CoNLL-U, IOB2, labeled texts or pairs of texts into spaCy's .spacy files.

    Tags go to [bold]token.pos_[/] and [bold]token.tag_[/], features to [bold]token.morph[/], trees
    to [bold]token.head[/] and [bold]token.dep_[/], entities to [bold]doc.ents[/], labels to
    [bold]doc.cats[/], the language to [bold]doc._.language[/]. A pair becomes one Doc, its texts
    separated by a reserved character. What is changed or skipped is counted and shown; a malformed
    line is an error with its file and number, and no file is written. Very large files become a
    folder of .spacy files, which spaCy reads under the same path.

    [bold]Examples[/]

    A whole folder, [dim]corpus/de/test.conllu[/] to [dim]out/de/test.spacy[/] and so on:

      [cyan]dlfa convert corpus out[/]

    One file, with its multiword tokens split:

      [cyan]dlfa convert de_gsd-ud-test.conllu de.spacy --multiword syntactic[/]

    2,000 training sentences, the same ones on every machine:

      [cyan]dlfa convert panx out --splits train --limit 2000 --seed 1[/]

    All languages of XNLI, from its own files:

      [cyan]dlfa convert XNLI-1.0 xnli[/]

    Several tasks, DATA/pos to corpus/pos and DATA/ner-wikiann to corpus/ner:

      [cyan]dlfa convert DATA corpus --tasks pos,ner=ner-wikiann[/]

    Pairs in JSONL whose labels are 0 and 1:

      [cyan]dlfa convert pairs out --labels not_paraphrase,paraphrase[/]
    """
    with plain_errors():
        from ..corpora import ReadingOptions
        from ..corpora.folder import task_folders

        options = ReadingOptions(
            format=format_.value,
            multiword=multiword.value,
            spaces=spaces.value,
            max_length=max_length,
            labels=tuple(comma_list(labels)),
        )
        chosen = {
            "language": lang or None,
            "languages": comma_list(langs),
            "splits": comma_list(splits),
        }
        if not tasks:
            _convert(source, target, options, chosen, limit, seed, quiet)
        for task, folder in task_folders(source, comma_list(tasks)).items():
            known = format_ is Format.auto and task in tuple(Format)
            own = replace(options, format=task) if known else options
            _convert(folder, target / task, own, chosen, limit, seed, quiet)


def _convert(
    source: Path,
    target: Path,
    options: "ReadingOptions",
    chosen: dict[str, Any],
    limit: int,
    seed: int,
    quiet: bool,
) -> None:
    from ..corpora import convert_files, plan, topics_of_jobs

    jobs = plan(source, target, **chosen)
    train = plan(source, target, language=chosen["language"]) if source.is_dir() else []
    topics = topics_of_jobs(jobs, options, train)
    done: list[Conversion] = []
    with progress(quiet=quiet) as bar:
        files_task = bar.add_task("Converting", total=len(jobs), detail="files")
        for job in jobs:
            name = f"{job.part.language}/{job.part.split}"
            docs_task = bar.add_task(name, total=None, detail="sentences")

            def advance(task: TaskID = docs_task) -> None:
                bar.advance(task)

            conversion = convert_files(
                job.inputs,
                job.output,
                job.part,
                options=options,
                topics=topics,
                limit=limit,
                seed=seed,
                on_doc=advance,
            )
            done.append(conversion)
            bar.remove_task(docs_task)
            bar.advance(files_task)
    if not quiet:
        _show(done, options.multiword, target)


def _show(done: "list[Conversion]", multiword: str, target: Path) -> None:
    from rich.table import Table

    from ..corpora.sentence import NOTES, ReadingNotes

    console = output()
    labels = sorted({label for conversion in done for label in conversion.n_entities})
    # Labels of texts keep the order that all Docs have them in.
    cats = list(dict.fromkeys(label for conversion in done for label in conversion.n_labels))
    table = Table("language", "split", box=None, header_style="bold")
    for name in ("texts" if cats else "sentences", "tokens", *labels, *cats):
        table.add_column(name, justify="right")
    for conversion in done:
        entities = (f"{conversion.n_entities.get(label, 0):,}" for label in labels)
        texts = (f"{conversion.n_labels.get(label, 0):,}" for label in cats)
        n_docs, n_tokens = f"{conversion.n_docs:,}", f"{conversion.n_tokens:,}"
        table.add_row(*conversion.part, n_docs, n_tokens, *entities, *texts)
    console.print(table)
    notes = ReadingNotes()
    for conversion in done:
        notes.add(conversion.notes)
    for key, count in notes.changes().items():
        how = f", kept as {multiword} words" if key == "multiword_tokens" else ""
        console.print(f"  {count:,} {NOTES[key]}{how}", highlight=False)
    place = done[0].output if len(done) == 1 else target
    console.print(f"Wrote {len(done)} {'file' if len(done) == 1 else 'files'}: {shown(place)}")
