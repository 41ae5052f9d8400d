"""What the tests of `dlfa optimize` share: trained pipelines, made once, and optimized copies."""

import functools
import json
from pathlib import Path
from typing import Any

import spacy
from life import TEXTS, listener
from life import trained as train
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Config

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.optimization.optimize import Options, Step, optimize
from dlfa_spacy.pipeline.readers import encoders_in_use


def trained(
    folder: str,
    components: dict[str, dict[str, Any]] | None = None,
    factory: str = "dlfa_transformer",
    steps: int = 2,
) -> Language:
    """RETURNS (Language): A pipeline of its own, trained only the first time it is asked for."""
    blocks = components or {"tagger": listener("attention")}
    config, data = _trained(folder, json.dumps(blocks), factory, steps)
    return load_model_from_config(Config().from_str(config)).from_bytes(data)


@functools.cache
def _trained(folder: str, blocks: str, factory: str, steps: int) -> tuple[str, bytes]:
    nlp = train(folder, json.loads(blocks), factory=factory, steps=steps)
    return nlp.config.to_str(), nlp.to_bytes()


def encoder(nlp: Language) -> TransformerModel:
    return nlp.get_pipe("transformer").model  # type: ignore[attr-defined, no-any-return]


def mean(*layers: int) -> dict[str, Any]:
    block = listener("mean")
    block["aggregation"]["layers"] = list(layers)
    return block


def mix() -> dict[str, Any]:
    return listener("mix")


def attention(residual: bool = True) -> dict[str, Any]:
    block = listener("attention")
    block["aggregation"]["residual"] = residual
    return block


def module_of(nlp: Language, name: str) -> Any:
    (found,) = encoders_in_use(nlp)
    return next(reading.module for reading in found.readings if reading.component == name)


def texts_of(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(text) for text in TEXTS]


def saved(nlp: Language, folder: Path) -> str:
    folder.parent.mkdir(exist_ok=True)
    nlp.to_disk(folder)
    return str(folder)


def run(nlp: Language, folder: Path, **options: Any) -> tuple[Language, list[Step]]:
    """RETURNS (Tuple[Language, List[Step]]): The optimized pipeline, loaded from its folder."""
    source = saved(nlp, folder / "model")
    steps = optimize(source, folder / "out", Options(**options), texts_of)
    return spacy.load(folder / "out"), steps


def packaged(model: Path, folder: Path) -> Language:
    """RETURNS (Language): A saved pipeline, loaded from the package that spaCy makes of it."""
    # Imported here: spaCy's command line takes a second.
    from spacy.cli.package import package

    folder.mkdir()
    package(
        model,
        folder,
        name="tiny",
        version="1.2.3",
        create_sdist=False,
        create_wheel=False,
        silent=True,
    )
    return spacy.load(folder / "xx_tiny-1.2.3" / "xx_tiny" / "xx_tiny-1.2.3")


def vector_names(nlp: Language) -> list[str]:
    """RETURNS (List[str]): Under which name each listener finds its vectors."""
    listeners = nlp.get_pipe("transformer").listeners  # type: ignore[attr-defined]
    return [getattr(node, "vectors_key", "last_hidden_state") for node in listeners]
