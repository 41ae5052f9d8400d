"""Requests and answers of the API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_PIPELINE = Field(None, description="Name of a pipeline, as `GET /api/info` has it; the first one.")
_LAYERS = Field(False, description="Tell how much of each layer each token reads.")
_TEXT = "At most `limits.max_characters` characters, see `GET /api/info`. It may be empty."


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pipeline: str | None = _PIPELINE
    layers: bool = _LAYERS


class TextRequest(_Request):
    """A text."""

    text: str = Field(description=_TEXT)
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Jan Kowalski pracuje w Warszawie."}]}
    )


class TextsRequest(_Request):
    """Several texts."""

    texts: list[str] = Field(description=f"At most `limits.max_texts`. {_TEXT}")
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"texts": ["Ada went to Rome.", "Аня живе в Києві."]}]}
    )


class PairRequest(_Request):
    """Two texts that are compared."""

    first: str = Field(description=f"The premise. {_TEXT}")
    second: str = Field(description=f"The hypothesis. {_TEXT}")
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"first": "Der Zug kam zu spät.", "second": "Der Zug war pünktlich."}]
        }
    )


class Span(BaseModel):
    """A part of the text: `text[start:end]`, in code points."""

    start: int
    end: int
    label: str
    confidence: float | None = Field(None, description="0 to 1, where the pipeline tells it.")


class Token(BaseModel):
    """A word, with what the pipeline says of it."""

    start: int
    end: int
    pos: str | None = Field(None, description="Universal part of speech.")
    confidence: float | None = Field(None, description="Of the part of speech, 0 to 1.")
    tag: str | None = None
    morph: str | None = None
    lemma: str | None = None
    dep: str | None = None
    head: int | None = Field(None, description="Number of the token that it depends on.")
    is_sent_start: bool | None = None


class TokenLayers(BaseModel):
    """A component whose tokens differ in the layers that they read."""

    component: str
    tokens: list[list[float]] = Field(
        description="A row for each token, a weight for each layer, 0 for the embeddings."
    )


class Annotation(BaseModel):
    """What the pipeline says of a text. What it does not predict is left out."""

    language: str | None = Field(None, description="ISO 639-1.")
    language_confidence: float | None = None
    entities: list[Span]
    tokens: list[Token]
    cats: dict[str, float] | None = Field(None, description="Topics, or the label of a pair.")
    spans: dict[str, list[Span]] | None = Field(None, description="Of other span components.")
    layers: list[TokenLayers] | None = Field(
        None, description="If asked for. `GET /api/info` has the components without."
    )


class Annotations(BaseModel):
    """What the pipeline says of several texts, in their order."""

    annotations: list[Annotation]


class LayerInfo(BaseModel):
    """How a component reads the layers of the encoder."""

    component: str
    aggregation: str
    num_layers: int = Field(description="Of the encoder; there is one more, the embeddings, 0.")
    reads: list[int]
    weights: Literal["token", "all", "gate", "fixed"] = Field(
        description="Learned for each token; learned once for all; a gate for each token decides "
        "the shares of two layers; nothing is learned."
    )
    shared: list[float] | None = Field(None, description="The weight of each layer, if `all`.")


class PipelineInfo(BaseModel):
    """A pipeline and what it predicts."""

    name: str
    description: str
    license: str
    components: list[str]
    entities: list[str] = Field(description="Labels.")
    colors: dict[str, str] = Field(description="Of the labels, as displaCy has them.")
    pos: bool
    topics: list[str]
    pair_labels: list[str] = Field(description="If any, `POST /api/pair` compares two texts.")
    languages: list[str] = Field(description="Those that it tells apart; empty if it does not.")
    confidence: bool
    layers: list[LayerInfo]


class Limits(BaseModel):
    """What a request may have."""

    max_characters: int = Field(description="Of a text.")
    max_texts: int
    max_bytes: int = Field(description="Of a body.")
    rate: int = Field(description="Texts of one client in a minute; 0 for no limit.")


class Info(BaseModel):
    """What is served."""

    version: str
    limits: Limits
    pipelines: list[PipelineInfo]


class Health(BaseModel):
    """The server answers."""

    status: Literal["ok"]


class Problem(BaseModel):
    """Why a request has no other answer."""

    error: str
