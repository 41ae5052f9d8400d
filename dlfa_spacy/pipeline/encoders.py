"""The encoder of a pipeline, wherever it is in it."""

from __future__ import annotations

from spacy.language import Language
from thinc.api import Model

from ..checks import nearest
from ..encoder.model import TransformerModel, encoder_in


def find_encoder(nlp: Language, component: str | None = None) -> TransformerModel | None:
    """Look for a dlfa_spacy encoder.

    nlp (Language): The pipeline; components that are disabled count.
    component (Optional[str]): Look into this component alone.
    RETURNS (Optional[TransformerModel]): The first one, one that a component has for itself
        included; None if there is none.
    """
    for name, pipe in nlp.components:
        model = getattr(pipe, "model", None)
        if isinstance(model, Model) and component in (None, name):
            encoder = encoder_in(model)
            if encoder is not None:
                return encoder
    return None


def encoder_of(nlp: Language, component: str | None = None, where: str = "") -> TransformerModel:
    """RETURNS (TransformerModel): As `find_encoder`, loaded.

    where (str): What asks for it, for the error: a section of the config, or a path.
    RAISES (ValueError): There is none.
    """
    encoder = find_encoder(nlp, component)
    if encoder is None:
        begin = f"{where} " if where else ""
        asked = "" if component is None else f'component = "{component}": '
        raise ValueError(
            f"{begin}{asked}found no encoder of dlfa_spacy in the pipeline {nlp.component_names}. "
            f"Expected a dlfa_spacy.TransformerModel.v1. Fix: {_fix(nlp, component)}."
        )
    encoder.load()
    return encoder


def _fix(nlp: Language, component: str | None) -> str:
    near = None
    if component is not None and component not in nlp.component_names:
        near = nearest(component, nlp.component_names)
    return f'component = "{near}"' if near else "name the component, or a pipeline, that has one"
