"""The registered architectures, each a thin builder."""

import warnings
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged
from torch import Tensor

from ..aggregators.model import AggregationInput
from ..encoder.model import TransformerModel
from ..encoder.segment.spans import WordpieceSpans
from ..encoder.segment.texts import SpanGetter
from ..language import register_language_extension
from .inline import inline_encoder, replace_listener, replace_listener_cfg
from .listener import TransformerListener
from .pooling import pool_pieces

# Outputs that transformers gives on request, and this package does not.
NOT_HANDED_OUT = ("output_attentions", "output_hidden_states")


class OutputWarning(UserWarning):
    """An encoder is asked for an output that no Doc will have."""


def build_transformer_model_v1(
    name: str,
    get_spans: SpanGetter | None = None,
    tokenizer_config: dict[str, Any] = {},  # noqa: B006  (spaCy reads defaults from the signature)
    transformer_config: dict[str, Any] = {},  # noqa: B006
    mixed_precision: bool = False,
    grad_scaler_config: dict[str, Any] = {},  # noqa: B006
) -> TransformerModel:
    """An encoder whose layers can all be listened to and trained through.

    The arguments of `spacy-transformers.TransformerModel.v3`, in `dlfa_transformer` and in the
    stock `transformer` factory.

    name (str): A folder written by `save_pretrained`, or a name on the Hugging Face Hub. A path
        that does not exist is an error, not a Hub name.
    get_spans (Optional[Callable[[List[Doc]], List[List[Span]]]]): What is encoded together. With
        `dlfa_spacy.wordpiece_spans.v1`, which it is by default, each Doc is tokenized once and
        nothing is truncated; with any other getter a span too long for the encoder is cut into
        windows.
    tokenizer_config (Dict[str, Any]): Settings for the tokenizer.
    transformer_config (Dict[str, Any]): Settings for the encoder's configuration. They
        can ask for more outputs, which no Doc gets: no attentions (OutputWarning says so), and
        hidden states only through `dlfa_spacy.layer_states`.
    mixed_precision (bool): Mixed precision: half floats on a GPU, bfloat16 on a CPU that has it
        (AVX-512 BF16 or AMX), fp32 elsewhere. In training about twice as fast on such a CPU.
    grad_scaler_config (Dict[str, Any]): Settings of the gradient scaler for mixed precision.
    CREATES: The model of a `dlfa_transformer` or `transformer` component.

    ```ini
    [components.transformer]
    factory = "dlfa_transformer"

    [components.transformer.model]
    @architectures = "dlfa_spacy.TransformerModel.v1"
    name = "bert-base-multilingual-cased"

    [components.transformer.model.get_spans]
    @span_getters = "dlfa_spacy.wordpiece_spans.v1"
    window = 126
    stride = 96
    ```
    """
    # Every pipeline of ours is built from this, whatever its factories. Not at import: spaCy
    # imports all factories for any pipeline, and other packages register a `language` too.
    register_language_extension()
    asked = [key for key in NOT_HANDED_OUT if transformer_config.get(key)]
    if asked:
        warnings.warn(
            f"[components.transformer.model] transformer_config has {' = true, '.join(asked)} = "
            "true, but doc._.trf_data will have none of that: it holds one vector per wordpiece "
            "for each listener. Fix: remove it; dlfa_spacy.layer_states(docs, nlp=nlp) gives the "
            "hidden states, and transformers itself the attentions.",
            OutputWarning,
            stacklevel=2,
        )
    return TransformerModel(
        name,
        WordpieceSpans() if get_spans is None else get_spans,
        tokenizer_config,
        transformer_config,
        mixed_precision,
        grad_scaler_config,
        replace_listener,
        replace_listener_cfg,
    )


def build_transformer_listener_v1(
    aggregation: Model[AggregationInput, Tensor],
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
    upstream: str = "*",
) -> Model[list[Doc], list[Floats2d]]:
    """Listen to all layers of an encoder earlier in the pipeline.

    Goes wherever a spaCy component takes a `tok2vec` block: ner, tagger, morphologizer, parser,
    textcat, spancat, ...

    aggregation (Model): How the layers become one vector per wordpiece: a layer of dlfa_spacy.
    pooling (Model[Ragged, Floats2d]): How the wordpieces of a token become one vector. If in doubt,
        `reduce_mean.v1`.
    grad_factor (float): Weight of this component's gradients in the encoder, in all layers. With 0
        the component does not train the encoder (and costs no backward pass); the aggregation
        still trains.
    upstream (str): Name of the encoder's component, or "*".
    CREATES: `Model[List[Doc], List[Floats2d]]`, one row per token, as wide as the encoder.

    ```ini
    [components.ner.model.tok2vec]
    @architectures = "dlfa_spacy.TransformerListener.v1"
    grad_factor = 1.0
    upstream = "*"

    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.LayerAttention.v1"

    [components.ner.model.tok2vec.pooling]
    @layers = "reduce_mean.v1"
    ```
    """
    listener = TransformerListener(upstream, aggregation, grad_factor)
    model: Model[list[Doc], list[Floats2d]] = chain(listener, pool_pieces(pooling))
    model.set_ref("listener", listener)
    return model


def build_tok2vec_transformer_v1(
    name: str,
    get_spans: SpanGetter | None,
    aggregation: Model[AggregationInput, Tensor],
    pooling: Model[Ragged, Floats2d],
    tokenizer_config: dict[str, Any] = {},  # noqa: B006
    transformer_config: dict[str, Any] = {},  # noqa: B006
    mixed_precision: bool = False,
    grad_scaler_config: dict[str, Any] = {},  # noqa: B006
    grad_factor: float = 1.0,
) -> Model[list[Doc], list[Floats2d]]:
    """An encoder, all its layers and an aggregation, inside one component.

    What `nlp.replace_listeners` turns a listener into, and the simplest way to use an encoder in a
    single component. Arguments as in `dlfa_spacy.TransformerModel.v1` and
    `dlfa_spacy.TransformerListener.v1`.

    CREATES: `Model[List[Doc], List[Floats2d]]`, one row per token, as wide as the encoder.

    ```ini
    [components.ner.model.tok2vec]
    @architectures = "dlfa_spacy.Tok2VecTransformer.v1"
    name = "bert-base-multilingual-cased"

    [components.ner.model.tok2vec.get_spans]
    @span_getters = "dlfa_spacy.wordpiece_spans.v1"

    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.LayerAttention.v1"

    [components.ner.model.tok2vec.pooling]
    @layers = "reduce_mean.v1"
    ```
    """
    transformer = build_transformer_model_v1(
        name, get_spans, tokenizer_config, transformer_config, mixed_precision, grad_scaler_config
    )
    # The same tree as a listener that was replaced, so that its weights can be loaded here.
    model: Model[list[Doc], list[Floats2d]] = chain(
        inline_encoder(transformer, aggregation, grad_factor), pool_pieces(pooling)
    )
    return model
