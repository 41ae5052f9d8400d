"""`dlfa init-config`: a training config for your own corpus."""

from pathlib import Path
from typing import Annotated

import typer

from .console import comma_list, output, plain_errors, shown


def init_config_cli(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.cfg",
            help="The config to write; - for stdout. With several aggregations a folder, for "
            "last.cfg, dlfa.cfg, ...",
        ),
    ],
    task: Annotated[
        str,
        typer.Option(
            "--task",
            "-t",
            help="ner, pos (or tagger), textcat, morphologizer, parser, sentences, spancat; or "
            "several on one encoder: ner,pos.",
            show_default=True,
        ),
    ] = "ner",
    aggregation: Annotated[
        str,
        typer.Option(
            "--aggregation",
            "-a",
            help="How the layers become one vector: last (the baseline), mean, scalar, attention, "
            "dlfa, dlfa_sigmoid, or control (DLFA's parameters without a lower layer). Or several, "
            "separated by commas.",
        ),
    ] = "attention",
    encoder: Annotated[
        str, typer.Option("--encoder", "-e", help="Folder or Hugging Face name of the encoder.")
    ] = "assets/encoder",
    layer: Annotated[
        str | None,
        typer.Option(help="Lower layer of DLFA: 1 is the first, -1 the last, 0 the embeddings."),
    ] = None,
    gate: Annotated[str | None, typer.Option(help="Gate of DLFA: product or sigmoid.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; the learning rate falls over them.")
    ] = None,
    learn_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Learning rate: 3e-4 small encoder, 2e-5 mBERT.")
    ] = None,
    encoder_rate: Annotated[
        float | None,
        typer.Option(min=0.0, help="Learning rate of the encoder, if another: 5e-5 beside 1e-3."),
    ] = None,
    pooler: Annotated[
        str | None, typer.Option(help="Pooler of textcat: pretrained, new or none.")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="What textcat reads: cls or mean (of all wordpieces).")
    ] = None,
    multilabel: Annotated[
        bool, typer.Option("--multilabel", help="Several classes per text, for textcat.")
    ] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Mixed precision, for a GPU.")] = False,
    head: Annotated[
        bool | None,
        typer.Option(
            "--head/--no-head",
            help="Layers of spaCy's window encoder between encoder and component. By default on a "
            "frozen encoder only.",
        ),
    ] = None,
    frozen: Annotated[
        bool | None,
        typer.Option(
            "--frozen/--no-frozen",
            help="Keep the encoder frozen, and encode each text once; or fine-tune it, except for "
            "its embeddings. By default the bundled encoder is frozen, any other is fine-tuned.",
        ),
    ] = None,
    train_embeddings: Annotated[
        bool,
        typer.Option("--train-embeddings", help="With --no-frozen: the embeddings train as well."),
    ] = False,
) -> None:
    """Write a training config: the base of a task with an aggregation.

    Two configs of one task differ only in the aggregation, so that two runs can be compared.

    [bold]Examples[/]

    Entities with multilingual BERT, through all layers:

      [cyan]dlfa init-config --task ner --aggregation attention
      --encoder bert-base-multilingual-cased --learn-rate 2e-5 ner.cfg[/]

    Then train it on English, like any spaCy config:

      [cyan]python -m spacy train ner.cfg --output training --paths.train en/train.spacy
      --paths.dev en/dev.spacy[/]

    Trees, features and sentences on one encoder (docs/corpora.md says of which corpora):

      [cyan]dlfa init-config --task parser,morphologizer,sentences syntax.cfg[/]

    The baseline, DLFA and its control, to be compared:

      [cyan]dlfa init-config --task ner --aggregation last,dlfa,control training[/]
    """
    with plain_errors():
        from spacy.cli.init_config import fill_config

        from ..encoder.storage.loading import encoder_location
        from ..files.writing import replacing
        from ..recipes import make_config

        # Now: the training would be the next to miss it.
        encoder_location(encoder, "--encoder")
        number = int(layer) if layer is not None and layer.lstrip("-").isdigit() else layer
        # Nothing at all is no aggregation either, and is refused as one.
        names = comma_list(aggregation) or [aggregation]
        configs = {
            name: make_config(
                task,
                name,
                encoder=encoder,
                layer=number,
                gate=gate,
                steps=steps,
                learn_rate=learn_rate,
                encoder_rate=encoder_rate,
                pooler=pooler,
                sequence=sequence,
                multilabel=multilabel,
                gpu=gpu,
                frozen=frozen,
                head=head,
                train_embeddings=train_embeddings,
            )
            for name in names
        }
        if str(out) == "-":
            for config in configs.values():
                typer.echo(config.to_str())
            return
        for name, config in configs.items():
            path = out if len(configs) == 1 else out / f"{name}.cfg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                config.to_disk(temporary)
                fill_config(temporary, temporary, silent=True)
            output().print(f"Wrote {shown(path)}", soft_wrap=True)
