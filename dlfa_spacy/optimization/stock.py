"""The pipeline that spaCy users would have instead: stock spacy-transformers, last layer."""

import copy
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

from ..encoder.storage.int4_folder import save_floats
from ..pipeline.readers import encoders_in_use

LISTENER = "dlfa_spacy.TransformerListener.v1"
STOCK_LISTENER = "spacy-transformers.TransformerListener.v1"
SPANS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}


def stock_pipeline(nlp: Language, folder: Path) -> Language:
    """Make a stock pipeline on the same encoder: its weights, the same components and labels. What
    reads the encoder is not trained, because its weights were learned on vectors that a stock
    listener does not give. So it has speed and size, but no scores.

    nlp (Language): A trained pipeline, as it was before `dlfa optimize`.
    folder (Path): Where to put the encoder.
    RETURNS (Language): The stock pipeline.
    RAISES (ValueError): A component that has no stock counterpart.
    """
    encoders = encoders_in_use(nlp)
    if len(encoders) != 1 or nlp.get_pipe(encoders[0].component).model is not encoders[0].model:  # type: ignore[attr-defined]
        raise ValueError(
            "--stock: the components have encoders of their own. Expected one encoder that all of "
            "them listen to. Fix: leave it out (--no-stock)."
        )
    (encoder,) = encoders
    save_floats(encoder.model.transformer, encoder.model.tokenizer, folder)
    config = copy.deepcopy(nlp.config)
    components = config["components"]
    components[encoder.component] = {
        "factory": "transformer",
        "model": {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(folder),
            "get_spans": dict(SPANS),
            "tokenizer_config": {"use_fast": True},
        },
    }
    for name in nlp.pipe_names:
        components[name] = _stock_block(components[name], name)
        labels = getattr(nlp.get_pipe(name), "label_data", None)
        if labels:
            # A file, as `spacy init labels` writes it: a config cannot hold those of ner.
            path = folder / f"labels-{name}.json"
            srsly.write_json(path, labels)
            settings = config["initialize"]["components"].setdefault(name, {})
            settings["labels"] = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    made = load_model_from_config(Config(config), auto_fill=True, validate=False)
    made.initialize()
    return made


def _stock_block(block: Any, component: str) -> Any:
    if not isinstance(block, dict):
        return block
    name = block.get("@architectures")
    if name == LISTENER:
        kept = {key: block[key] for key in ("pooling", "grad_factor") if key in block}
        return {"@architectures": STOCK_LISTENER, **kept}
    if str(name).startswith("dlfa_spacy."):
        raise ValueError(
            f'--stock: [components.{component}] has the architecture "{name}", which stock '
            "spacy-transformers has no counterpart of. Fix: leave it out (--no-stock)."
        )
    return {key: _stock_block(value, component) for key, value in block.items()}
