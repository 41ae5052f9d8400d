"""Text classification from the sequence of wordpieces: the registered architecture."""

import functools
import math
from typing import Any

from spacy.tokens import Doc
from thinc.api import (
    Linear,
    Logistic,
    Model,
    Softmax,
    chain,
    glorot_uniform_init,
    resizable,
    zero_init,
)
from thinc.layers.chain import init as init_chain
from thinc.layers.resizable import resize_linear_weighted, resize_model
from thinc.types import Floats2d

from ..checks import check_number
from ..encoder.model import TransformerModel
from ..encoder.pooler import pooler_weights
from .listener import TransformerListener
from .many_heads import many_heads
from .sequence import CLS, MEAN, PAIR, encoder_read, read_sequence
from .textcat_head import dense_tanh, fixed_dropout

KEY = "[components.textcat.model]"
PRETRAINED = "pretrained"
NEW = "new"
# The bias of a class that is added to a trained softmax: it hardly takes anything from the others
# (e^-10), and training can still lift it, which it cannot from stock spaCy's -5000.
ADDED_CLASS_BIAS = -10.0


def build_textcat_v1(
    tok2vec: Model[list[Doc], list[Floats2d]],
    exclusive_classes: bool,
    sequence: str = "cls",
    pooler: str | None = "pretrained",
    dropout: float = 0.1,
    heads: int = 1,
    orthogonality: float = 0.0,
    nO: int | None = None,
) -> Model[list[Doc], Floats2d]:
    """Classify texts as BERT does (Devlin et al. 2019, section 4.1): one vector per text, a pooler,
    dropout, a linear layer; on the aggregated layers instead of the last one.

    For the stock factories `textcat` and `textcat_multilabel`. It reads the wordpieces, special
    tokens included, so `tok2vec`'s pooling to tokens does not take part.

    tok2vec (Model[List[Doc], List[Floats2d]]): A `dlfa_spacy.TransformerListener.v1` or
        `dlfa_spacy.Tok2VecTransformer.v1`.
    exclusive_classes (bool): True: softmax, for `textcat`. False: each class on its own, for
        `textcat_multilabel`.
    sequence (str): "cls", the first wordpiece of a window, the mean over the windows of a long Doc;
        "mean", the mean of all wordpieces; or "pair", for pairs of texts on an encoder that is not
        fine-tuned: the mean of each text, their distance and their product (see `read_sequence`).
        An empty Doc has a vector of zeros.
    pooler (Optional[str]): "pretrained", a dense layer and tanh that start as a copy of the
        encoder's own; "new", the same with random weights; or None.
    dropout (float): On the pooled vector, in training. `[training] dropout` does not change it.
    heads (int): Experimental. With 2 or more as many linear layers, each with its own softmax and
        loss; the mean of what they predict is the prediction.
    orthogonality (float): Experimental. Weight of the overlap of the heads (see `many_heads`).
    nO (Optional[int]): Classes; by default the labels that the component has.
    CREATES: `Model[List[Doc], Floats2d]`, `(B, nO)`: one score per class, from 0 to 1.
    RAISES (ValueError): A wrong argument; a pooler that the encoder does not have, or "cls" with a
        tokenizer that puts no special token in front (both at `initialize`).

    ```ini
    [components.textcat.model]
    @architectures = "dlfa_spacy.TextCat.v1"
    exclusive_classes = true
    sequence = "cls"
    pooler = "pretrained"
    dropout = 0.1

    [components.textcat.model.tok2vec]
    @architectures = "dlfa_spacy.TransformerListener.v1"

    [components.textcat.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.LayerAttention.v1"

    [components.textcat.model.tok2vec.pooling]
    @layers = "reduce_mean.v1"
    ```
    """
    _check(tok2vec, sequence, pooler, dropout, nO)
    _check_heads(heads, orthogonality)
    pooling = [] if pooler is None else [dense_tanh()]
    predicting = [_classes(exclusive_classes, nO, alone=heads == 1) for _ in range(heads)]
    if heads > 1:
        own = [chain(*layers) if layers[1:] else layers[0] for layers in predicting]
        predicting = [[many_heads(own, orthogonality)]]
    classes = predicting[0][0]
    model: Model[list[Doc], Floats2d] = chain(
        read_sequence(tok2vec, sequence), *pooling, fixed_dropout(dropout), *predicting[0]
    )
    model.init = init
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", classes.layers[0] if heads == 1 else None)
    model.set_ref("classes", classes)
    model.set_ref("pooler", pooling[0] if pooling else None)
    model.attrs["pooler"] = pooler
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = resize_output
    if nO is not None:
        model.set_dim("nO", nO)
    return model


def init(model: Model[list[Doc], Floats2d], X: Any = None, Y: Any = None) -> None:
    encoder = encoder_read(model.get_ref("tok2vec"))
    if encoder is not None:
        encoder.load()
        if model.layers[0].attrs["sequence"] == CLS:
            _check_first_piece(encoder)
    init_chain(model, X, Y)
    if model.attrs["pooler"] == PRETRAINED:
        _copy_pooler(model.get_ref("pooler"), encoder)


def resize_output(model: Model[list[Doc], Floats2d], new_nO: int) -> Model[list[Doc], Floats2d]:
    """Called by `add_label`: more classes, and what was learned of the others is kept."""
    for node in list(model.get_ref("classes").walk()):
        if "resize_layer" in node.attrs:
            resize_model(node, new_nO)
        if node.layers and node.has_dim("nO") is not False:
            node.set_dim("nO", new_nO, force=True)
    if model.has_ref("output_layer"):
        model.set_ref("output_layer", model.get_ref("classes").layers[0])
    model.set_dim("nO", new_nO, force=True)
    return model


def _classes(exclusive: bool, nO: int | None, alone: bool) -> list[Model[Floats2d, Floats2d]]:
    """RETURNS (List[Model[Floats2d, Floats2d]]): From a vector to scores; the first can be
    resized."""
    # Heads that begin at 0, as thinc's softmax does, would stay the same one.
    first = zero_init if alone else glorot_uniform_init
    output = Softmax(nO=nO, init_W=first) if exclusive else Linear(nO=nO)
    defaults = {"W": 0.0, "b": ADDED_CLASS_BIAS if exclusive else 0.0}
    resize = functools.partial(resize_linear_weighted, fill_defaults=defaults)
    return [resizable(output, resize), *([] if exclusive else [Logistic()])]


def _copy_pooler(pooler: Model[Floats2d, Floats2d], encoder: TransformerModel | None) -> None:
    found = None if encoder is None else pooler_weights(encoder.transformer)
    if found is None:
        kind = "" if encoder is None else f"({encoder.transformer.config.model_type}) "
        raise ValueError(
            f'{KEY} pooler = "{PRETRAINED}": the encoder {kind}has no trained pooler, in its '
            "architecture or in its checkpoint. Expected an encoder with weights for "
            f'pooler.dense, as BERT and XLM-R have. Fix: pooler = "{NEW}", or pooler = null.'
        )
    for name, values in zip(("W", "b"), found, strict=True):
        # Of its own: thinc updates in place, and torch moves what it sends to another process.
        array: Any = values.float().numpy().copy()
        pooler.set_param(name, pooler.ops.asarray_f(array))


def _check_first_piece(encoder: TransformerModel) -> None:
    before, _ = encoder.shim.piece_tokenizer.special_ids
    if not before:
        raise ValueError(
            f'{KEY} sequence = "{CLS}": the encoder\'s tokenizer '
            f"({type(encoder.tokenizer).__name__}) puts no special token before a text. Expected "
            f'one, as [CLS] or <s>. Fix: sequence = "{MEAN}".'
        )


def _check_heads(heads: int, orthogonality: float) -> None:
    check_number(f"{KEY} heads", heads, heads >= 1, "1 or more", 1)
    right = 0 <= orthogonality < math.inf and (heads > 1 or orthogonality == 0)
    wanted = "0 or more, and 0 with heads = 1"
    check_number(f"{KEY} orthogonality", orthogonality, right, wanted, 0.0)


def _check(tok2vec: Model, sequence: str, pooler: Any, dropout: Any, nO: Any) -> None:
    ours = any(isinstance(n, TransformerListener | TransformerModel) for n in tok2vec.walk())
    if not ours or not tok2vec.layers or tok2vec.layers[-1].name != "pool-pieces":
        raise ValueError(
            f'[components.textcat.model.tok2vec] @architectures makes a "{tok2vec.name}" model, '
            "whose wordpieces cannot be read. Expected dlfa_spacy.TransformerListener.v1 or "
            'dlfa_spacy.Tok2VecTransformer.v1. Fix: @architectures = "dlfa_spacy.'
            'TransformerListener.v1", or a text classifier of spaCy.'
        )
    if sequence not in (CLS, MEAN, PAIR):
        raise ValueError(
            f'{KEY} sequence = "{sequence}": expected "{CLS}", "{MEAN}" or "{PAIR}". '
            f'Fix: sequence = "{CLS}".'
        )
    if sequence == PAIR and pooler == PRETRAINED:
        raise ValueError(
            f'{KEY} pooler = "{PRETRAINED}": the encoder\'s pooler reads one vector, and '
            f'sequence = "{PAIR}" gives four. Expected "{NEW}" or null. Fix: pooler = null.'
        )
    if pooler not in (PRETRAINED, NEW, None):
        raise ValueError(
            f'{KEY} pooler = "{pooler}": expected "{PRETRAINED}", "{NEW}" or null. '
            f'Fix: pooler = "{PRETRAINED}".'
        )
    if not 0.0 <= dropout < 1.0:
        raise ValueError(
            f"{KEY} dropout = {dropout}: expected 0 or more, and less than 1. Fix: dropout = 0.1."
        )
    if nO is not None and nO < 1:
        raise ValueError(f"{KEY} nO = {nO}: expected 1 or more, or null. Fix: nO = null.")
