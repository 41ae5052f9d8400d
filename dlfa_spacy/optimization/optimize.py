"""All steps in order, the size measured after each, and the result checked before it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc

from ..files.leftovers import recover
from ..files.target_folder import check_apart, refuse_to_overwrite
from ..files.writing import replacing
from ..pipeline.readers import encoders_in_use
from ..pipeline.sources import open_pipeline
from .cut import cut_encoders
from .drop import check_drop, drop_layers
from .half import check_half, store_as_half
from .int4 import make_int4, make_int4_embeddings
from .int8 import make_int8, make_int8_embeddings
from .onnx_export import check_factories, make_onnx
from .vocabulary import trim_vocabularies

CHECKED_DOCS = 16
# Read by the check when there are no other texts.
CHECK_TEXTS = ("Anna lives in Berlin.", "1, 2 and 3", "x")


@dataclass(frozen=True)
class Options:
    """What to do to a pipeline.

    cut (bool): Remove the blocks, and the pooler, that nothing reads.
    drop (Optional[float]): Drop layers of a smaller weight.
    trim (bool): Trim the vocabulary to the texts.
    int8 (bool): Linear layers as integers.
    half (Optional[str]): Save floats as "float16" or "bfloat16".
    int8_embeddings (bool): Rows of the vocabulary as integers.
    int4 (bool): Linear layers in four bits, on disk.
    int4_embeddings (bool): Rows of the vocabulary in four bits.
    onnx (bool): Run the encoder in ONNX Runtime; `int8` and `half` then work on the graph.
    """

    cut: bool = True
    drop: float | None = None
    trim: bool = False
    int8: bool = False
    half: str | None = None
    int8_embeddings: bool = False
    int4: bool = False
    int4_embeddings: bool = False
    onnx: bool = False

    def __post_init__(self) -> None:
        if self.drop is not None:
            check_drop(self.drop)
        if self.half is not None:
            check_half(self.half)
        for one, other, reason in (
            ("int4", "int8", "both store the same layers"),
            ("int4_embeddings", "int8_embeddings", "both store the same rows"),
            ("int4", "onnx", "a graph holds Linear layers as floats (--half) or integers (--int8)"),
        ):
            if getattr(self, one) and getattr(self, other):
                names = [f"--{name.replace('_', '-')}" for name in (one, other)]
                raise ValueError(
                    f"Found {names[0]} and {names[1]}, but {reason}. Expected one of them. Fix: "
                    f"leave out {names[0]}."
                )


@dataclass(frozen=True)
class Step:
    """One row of the table.

    name (str): The step.
    size (int): Bytes of the saved pipeline after it.
    changes (List[str]): What it did.
    """

    name: str
    size: int
    changes: list[str]


def optimize(
    source: str | Path,
    out: str | Path,
    options: Options,
    read_texts: Callable[[Language], list[Doc]] | None = None,
) -> list[Step]:
    """Make a trained pipeline smaller and faster.

    source (Union[str, Path]): Folder or name of the pipeline; it is not touched.
    out (Union[str, Path]): The folder to write. It appears when the result has been loaded again
        and predicts what it should, and not before.
    options (Options): The steps.
    read_texts (Optional[Callable]): Reads the texts in use, for `trim` and `drop`.
    RETURNS (List[Step]): The sizes, from the pipeline as it was on.
    RAISES (ValueError): A step that is not possible; `out` is `source`, or something that is no
        pipeline.
    """
    recover(Path(out))
    nlp = open_pipeline(str(source))
    check_target(nlp.path, Path(out))
    _refuse_onnx(nlp)
    if options.onnx:
        check_factories(nlp)
    docs = read_texts(nlp) if read_texts is not None else []
    with replacing(out) as folder:
        nlp.to_disk(folder)
        done = [Step("as it was", folder_size(folder), [])]
        for name, run in _steps(nlp, options, docs):
            changes = run()
            nlp.to_disk(folder)
            done.append(Step(name, folder_size(folder), changes))
        nlp.meta["optimized"] = [{"step": s.name, "changes": s.changes} for s in done[1:]]
        nlp.to_disk(folder)
        check_saved(nlp, folder, docs)
    return done


def _steps(
    nlp: Language, options: Options, docs: list[Doc]
) -> list[tuple[str, Callable[[], list[str]]]]:
    steps: list[tuple[str, Callable[[], list[str]]]] = []
    if options.drop is not None:
        steps.append(("drop layers", lambda: _drop(nlp, options.drop, docs)))
    if options.cut:
        steps.append(("cut", lambda: cut_encoders(nlp, encoders_in_use(nlp))))
    if options.trim:
        steps.append(("vocabulary", lambda: trim_vocabularies(encoders_in_use(nlp), docs)))
    if options.int8_embeddings:
        steps.append(("int8 embeddings", lambda: make_int8_embeddings(encoders_in_use(nlp))))
    if options.int4_embeddings:
        steps.append(("int4 embeddings", lambda: make_int4_embeddings(encoders_in_use(nlp))))
    if options.int4:
        steps.append(("int4", lambda: make_int4(encoders_in_use(nlp))))
    if options.onnx:
        name = " + ".join(["onnx", *["int8"] * options.int8, *[options.half or ""]]).rstrip(" +")
        steps.append((name, lambda: make_onnx(encoders_in_use(nlp), options.int8, options.half)))
        return steps
    if options.int8:
        steps.append(("int8", lambda: make_int8(encoders_in_use(nlp))))
    if options.half is not None:
        half = options.half
        steps.append((half, lambda: store_as_half(encoders_in_use(nlp), half)))
    return steps


def _refuse_onnx(nlp: Language) -> None:
    for encoder in encoders_in_use(nlp):
        if encoder.model.shim.is_onnx:
            raise ValueError(
                f'The encoder of "{encoder.component}" is an ONNX graph already, which cannot be '
                "changed. Expected an encoder of torch. Fix: optimize the pipeline it was made "
                "from."
            )


def _drop(nlp: Language, threshold: float | None, docs: list[Doc]) -> list[str]:
    assert threshold is not None
    return drop_layers(nlp, encoders_in_use(nlp), threshold, docs)


def check_target(source: Path | None, out: Path) -> None:
    """RAISES (ValueError): Writing `out` would destroy the source, or what is not a pipeline."""
    check_apart(source, out, "MODEL")
    target = out.resolve()
    is_pipeline = (target / "config.cfg").is_file() and (target / "meta.json").is_file()
    refuse_to_overwrite(out, is_pipeline, "pipeline")


def check_saved(nlp: Language, folder: Path, docs: Sequence[Doc]) -> None:
    """RAISES (ValueError): The saved pipeline has other weights, or predicts something else, than
    the one in memory."""
    loaded = spacy.load(folder)
    for encoder, other in zip(encoders_in_use(nlp), encoders_in_use(loaded), strict=True):
        _same_state(encoder.model.transformer, other.model.transformer, encoder.component)
        for reading, own in zip(encoder.readings, other.readings, strict=True):
            _same_state(reading.module, own.module, reading.component)
    texts = [doc.text for doc in docs if len(doc)][:CHECKED_DOCS] or list(CHECK_TEXTS)
    expected = [doc.to_json() for doc in nlp.pipe(texts)]
    if expected != [doc.to_json() for doc in loaded.pipe(texts)]:
        raise ValueError(
            "The optimized pipeline predicts something else once it is loaded again. Nothing was "
            "written. Fix: report it, with the versions of torch and transformers."
        )


def _same_state(module: Any, other: Any, name: str) -> None:
    state, saved = module.state_dict(), other.state_dict()
    wrong = sorted(set(state) ^ set(saved)) or [
        key for key in state if not torch.equal(state[key], saved[key])
    ]
    if wrong:
        raise ValueError(
            f'The weights of "{name}" are not the same once they are loaded again: {wrong[:5]}. '
            "Nothing was written. Fix: report it, with the versions of torch and transformers."
        )


def folder_size(folder: Path) -> int:
    """RETURNS (int): Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# int8 is for speed, the other two are for size (docs/deployment.md). Trimming needs texts, and ONNX
# Runtime an extra: ask for them.
TARGETS = {"cpu": Options(int8=True, int8_embeddings=True, half="float16")}


def options_for(target: str | None, asked: Mapping[str, bool | str | float | None]) -> Options:
    """Join what a target suggests with what was asked for, which wins.

    target (Optional[str]): "cpu", or None for what was asked for alone.
    asked (Mapping[str, ...]): By field of `Options`; None for what was not mentioned.
    RETURNS (Options): The options.
    RAISES (ValueError): An unknown target.
    """
    if target is not None and target not in TARGETS:
        raise ValueError(f"--target {target}: expected {' or '.join(TARGETS)}. Fix: --target cpu.")
    suggested = TARGETS[target] if target is not None else Options()
    for ours, other in (("int4", "int8"), ("int4_embeddings", "int8_embeddings")):
        if asked.get(ours):
            suggested = replace(suggested, **{other: False})  # type: ignore[arg-type]
    given = {key: value for key, value in asked.items() if value is not None}
    return replace(suggested, **given)  # type: ignore[arg-type]
