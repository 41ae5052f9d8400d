"""Who reads which encoder of a pipeline, and how another aggregation is put in."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from spacy.language import Language
from spacy.util import registry
from spacy_transformers.pipeline_component import Transformer
from thinc.api import Model

from ..aggregators.contract import Replacement
from ..aggregators.model import aggregator_shim
from ..encoder.model import TransformerModel
from ..layers.inline import INLINE_KEY, InlineReader
from ..layers.listener import TransformerListener


@dataclass
class Reading:
    """One aggregation.

    component (str): Who owns it.
    holder (Model): The node whose first layer it is.
    """

    component: str
    holder: Model

    @property
    def shim(self) -> Any:
        return aggregator_shim(self.holder.layers[0])

    @property
    def module(self) -> Any:
        return self.shim.module


@dataclass
class EncoderInUse:
    """An encoder and everybody who reads it.

    component (str): Who owns it.
    model (TransformerModel): The encoder.
    readings (List[Reading]): The aggregations.
    read_last (bool): Whether a stock listener reads its last layer.
    """

    component: str
    model: TransformerModel
    readings: list[Reading] = field(default_factory=list)
    read_last: bool = False

    @property
    def highest(self) -> int:
        """The highest layer that is read; the last one if nobody is known to read any."""
        depth = self.model.num_layers
        if self.read_last or not self.readings:
            return depth
        return max(layer for reading in self.readings for layer in reading.module.needs(depth))


def encoders_in_use(nlp: Language) -> list[EncoderInUse]:
    """Find the encoders of a trained pipeline.

    nlp (Language): The pipeline.
    RETURNS (List[EncoderInUse]): At least one.
    RAISES (ValueError): There is none, or one that was not trained.
    """
    found = []
    for name, component in nlp.pipeline:
        model = getattr(component, "model", None)
        if not isinstance(model, Model):
            continue
        if isinstance(component, Transformer):
            if isinstance(model, TransformerModel):
                found.append(_shared(name, component, model))
            continue
        nodes = list(model.walk())
        own = [node for node in nodes if isinstance(node, TransformerModel)]
        holders = [node for node in nodes if node.name == "aggregate-batch"]
        found += [
            EncoderInUse(name, encoder, [Reading(name, holder)])
            for encoder, holder in zip(own, holders, strict=True)
        ]
    if not found:
        raise ValueError(
            f"The pipeline {nlp.pipe_names} has no encoder of dlfa_spacy. Expected a "
            "dlfa_spacy.TransformerModel.v1. Fix: name a pipeline that was trained with one."
        )
    for encoder in found:
        built = all(reading.shim.is_built for reading in encoder.readings)
        if not encoder.model.attrs["has_transformer"] or not built:
            raise ValueError(
                f'The encoder of "{encoder.component}", or an aggregation that reads it, has no '
                "weights. Expected a trained pipeline. Fix: train it first."
            )
    return found


def _shared(name: str, component: Transformer, model: TransformerModel) -> EncoderInUse:
    encoder = EncoderInUse(name, model)
    for owner, listeners in component.listener_map.items():
        for listener in listeners:
            if isinstance(listener, TransformerListener):
                encoder.readings.append(Reading(owner, listener))
            else:
                encoder.read_last = True
    return encoder


def aggregation_block(nlp: Language, reading: Reading) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The [...aggregation] block of the config, to be changed."""
    blocks = list(aggregation_blocks(nlp.get_pipe_config(reading.component)))
    if len(blocks) != 1:
        raise ValueError(
            f"[components.{reading.component}] has {len(blocks)} blocks called aggregation, so it "
            "cannot be told which one to change. Expected one. Fix: leave out --drop-layers, and "
            "add --no-cut."
        )
    return blocks[0]


def aggregation_blocks(config: Any) -> Iterator[dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The [...aggregation] blocks of a component's config, to be
    changed."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "aggregation" and isinstance(value, dict) and "@layers" in value:
                # What lies inside a SelectedLayers belongs to it.
                yield value
            else:
                yield from aggregation_blocks(value)


def replace_aggregation(
    nlp: Language,
    encoder: EncoderInUse,
    reading: Reading,
    replacement: Replacement,
    num_layers: int,
) -> None:
    """Put another aggregation in the place of one, in the model and in the config.

    replacement (Replacement): Its config and its weights.
    num_layers (int): Layers of the encoder it will read.
    """
    width = int(reading.shim.width)
    config = aggregation_block(nlp, reading)
    made = cast(Model, registry.resolve({"aggregation": replacement.block})["aggregation"])
    aggregator_shim(made).build(width, num_layers)
    aggregator_shim(made).module.load_state_dict(replacement.state)
    reading.holder._layers[0] = made
    if not isinstance(reading.holder, TransformerListener):
        readers = {INLINE_KEY: InlineReader(made)}
        known = encoder.model.readership
        encoder.model.readership = dataclasses.replace(known, readers=readers)
    config.clear()
    config.update(replacement.block)
