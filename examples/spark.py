"""Annotate the texts of a Spark DataFrame: a recipe for `mapInPandas`.

    python examples/spark.py texts.parquet annotated.parquet

The pipeline is loaded for each partition, so a few large ones are best. It needs Java and pip
install pyspark here, and dlfa_spacy and the pipeline on every machine. `dlfa annotate --ray` also
finds the texts that fail or kill their process, and annotates the others.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

SCHEMA = "text string, entities array<struct<start: int, end: int, label: string>>"


def annotate(frames: Iterator[Any], model: str) -> Iterator[Any]:
    """YIELDS (DataFrame): The texts of each frame of a partition, and their entities."""
    import spacy
    import torch

    torch.set_num_threads(1)
    nlp = spacy.load(model)
    for frame in frames:
        with nlp.memory_zone():
            found = [
                [{"start": e.start_char, "end": e.end_char, "label": e.label_} for e in doc.ents]
                for doc in nlp.pipe(frame["text"])
            ]
            yield frame[["text"]].assign(entities=found)


def main(
    texts: Annotated[Path, typer.Argument(help="Parquet with a column text.")],
    target: Annotated[Path, typer.Argument(help="Folder of Parquet with entities.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline: folder or package.")
    ] = "xx_dlfa_ner",
    master: Annotated[str, typer.Option(help="Of the Spark cluster.")] = "local[2]",
) -> None:
    """Read texts, write annotations, on a Spark cluster."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master(master).getOrCreate()
    frame = spark.read.parquet(str(texts))
    frame.mapInPandas(functools.partial(annotate, model=model), SCHEMA).write.parquet(str(target))
    spark.stop()


if __name__ == "__main__":
    typer.run(main)
