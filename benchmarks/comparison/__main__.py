"""Time and memory of the package beside the bare encoder and other libraries.

python -m benchmarks.comparison --out benchmark --shapes own
"""

from pathlib import Path
from typing import Annotated

import typer

from dlfa_spacy.cli.console import comma_list, messages, output, plain_errors, shown

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the CSV file and the plots.")
    ] = Path("benchmark"),
    page: Annotated[
        list[Path] | None,
        typer.Option(help="Put the tables between the markers of this page; may be repeated."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="How much: smallest (seconds), quick (minutes) or full.")
    ] = "quick",
    measures: Annotated[
        str,
        typer.Option(help="Some of predict,lengths,train,memory,doc,load,size,long,many,profile."),
    ] = "",
    shapes: Annotated[
        str, typer.Option(help="own: the encoder. base: BERT-base with random weights.")
    ] = "own,base",
    encoder: Annotated[str, typer.Option(help="Folder of an encoder.")] = "assets/encoder",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    languages: Annotated[str, typer.Option(help="Of the texts, mixed.")] = "en,de,es,ru,zh,ar",
    rounds: Annotated[int | None, typer.Option(min=1, help="Timed rounds.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of torch; 0: all cores.")] = 1,
    curated_python: Annotated[
        Path | None,
        typer.Option(help="Python of an environment with spacy-curated-transformers 0.3.1."),
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU; -1: the CPU.")] = -1,
    max_wordpieces: Annotated[
        int | None, typer.Option(min=2, help="Of the longest document of the measure long.")
    ] = None,
    max_docs: Annotated[int | None, typer.Option(min=10, help="Docs of the measure many.")] = None,
    label: Annotated[str, typer.Option(help="Name of the profile: before and after.")] = "now",
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the plots.")] = True,
) -> None:
    """Measure time and memory beside the bare encoder, stock spacy-transformers,
    spacy-curated-transformers and the pipeline of Hugging Face.

    All read the same texts with the same weights, in rounds that alternate; figures are medians.
    Only ratios within one run are meaningful. OUT/benchmarks.csv keeps what was measured before,
    measure by measure, so that one of them can be repeated alone.

    [bold]Examples[/]

      [cyan]python -m benchmarks.comparison --out benchmark --shapes own[/]

    All that docs/benchmarks.md shows:

      [cyan]python -m benchmarks.comparison --preset full --out docs/benchmarks
      --page docs/benchmarks.md[/]
    """
    with plain_errors():
        import os
        import tempfile

        from benchmarks.comparison.bench import MEASURES, PRESETS, Bench, resized
        from benchmarks.comparison.page import sections, write_page
        from benchmarks.comparison.run import CSV, run_benchmark

        chosen = _some_of("--measures", measures, MEASURES)
        wanted = _some_of("--shapes", shapes, ("own", "base"))
        (size,) = _some_of("--preset", preset, tuple(PRESETS))
        console = messages()
        if curated_python is None and {"predict", "train", "doc"} & set(chosen):
            console.print(
                "[yellow]spacy-curated-transformers is skipped:[/] it needs an environment of its "
                "own (docs/benchmarks.md says how), named by --curated-python.",
                soft_wrap=True,
            )
        with tempfile.TemporaryDirectory(prefix="dlfa-benchmark-") as folder:
            bench = Bench(
                encoder=encoder,
                corpus=corpus,
                languages=tuple(comma_list(languages)),
                sizes=resized(PRESETS[size], rounds, max_wordpieces, max_docs),
                threads=threads or os.cpu_count() or 1,
                folder=Path(folder),
                curated_python=curated_python,
                gpu_id=gpu_id,
                label=label,
            )
            figures, settings = run_benchmark(bench, out, chosen, wanted, console.print)
        found = sections(figures, settings)
        for path in page or []:
            write_page(path, found)
        if plot:
            from benchmarks.comparison.plot import draw

            draw(figures, out)
        from rich.markdown import Markdown

        for table in found.values():
            output().print(Markdown(table))
        output().print(f"Wrote {shown(out / CSV)}", soft_wrap=True)


def _some_of(option: str, value: str, known: tuple[str, ...]) -> list[str]:
    """RETURNS (List[str]): The names given; all if none was.

    RAISES (ValueError): An unknown one.
    """
    names = comma_list(value) or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{option} {value}: there is no {unknown[0]}. Expected some of {', '.join(known)}. "
            f"Fix: {option} {known[0]}."
        )
    return names


if __name__ == "__main__":
    app()
