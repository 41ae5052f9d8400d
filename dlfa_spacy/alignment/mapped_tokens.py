"""The maps of `clbt` inside a pipeline: token vectors of a language, moved to where English is."""

from collections.abc import Callable
from typing import Any, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..language import get_language
from .methods.language_maps import LanguageMaps


def build_mapped_tokens_v1(
    maps: str, tok2vec: Model[list[Doc], list[Floats2d]]
) -> Model[list[Doc], list[Floats2d]]:
    """Map each token's vector by the language of its Doc, `doc._.language`.

    Where the language is not set, is English, or has no map, vectors are unchanged. So a
    component that is trained on English sees plain vectors, and other languages are mapped to them.
    The maps do not train. They were made for the last layer of one encoder: keep it frozen, or they
    are stale, and read its last layer (`dlfa_spacy.LastLayer.v1`) with the same pooling.

    maps (str): The folder that `dlfa align clbt` wrote. Read once, at initialization; from then on
        the maps are part of the model.
    tok2vec (Model[List[Doc], List[Floats2d]]): A listener, or any other layer of token vectors.
    CREATES: `Model[List[Doc], List[Floats2d]]`, as wide as `tok2vec`.

    Source: Wang et al. 2019 (Cross-Lingual BERT Transformation), section 3.

    ```ini
    [components.tagger.model.tok2vec]
    @architectures = "dlfa_spacy.MappedTokens.v1"
    maps = "training/clbt"

    [components.tagger.model.tok2vec.tok2vec]
    @architectures = "dlfa_spacy.TransformerListener.v1"

    [components.tagger.model.tok2vec.tok2vec.aggregation]
    @layers = "dlfa_spacy.LastLayer.v1"

    [components.tagger.model.tok2vec.tok2vec.pooling]
    @layers = "reduce_mean.v1"
    ```
    """
    return Model(
        "mapped-tokens",
        forward,
        init=init,
        layers=[tok2vec],
        dims={"nO": None},
        attrs={"maps": maps, "languages": []},
        params={"W": None, "means": None, "english": None},
    )


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Initialize what is mapped, and read the maps.

    RAISES (ValueError): There are no maps, or they are for vectors of another width.
    """
    tok2vec = model.layers[0]
    tok2vec.initialize(X=X, Y=Y)
    maps = LanguageMaps.load(model.attrs["maps"])
    width = int(maps.weights.shape[-1])
    found = int(cast(int, tok2vec.get_dim("nO"))) if tok2vec.has_dim("nO") else width
    if found != width:
        raise ValueError(
            f'maps = "{model.attrs["maps"]}": the maps are for vectors of width {width}, and those '
            f"here have {found}. Expected the encoder that the maps were made for. Fix: dlfa align "
            "clbt with this pipeline's encoder."
        )
    model.attrs["languages"] = list(maps.languages)
    for name, tensor in (("W", maps.weights), ("means", maps.means), ("english", maps.english)):
        array: Any = tensor.detach().numpy()
        model.set_param(name, cast(Any, model.ops.asarray(array)))
    model.set_dim("nO", width, force=True)


def forward(
    model: Model[list[Doc], list[Floats2d]], docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """List[Doc] -> `(n_tokens, E)` each."""
    vectors, backprop_vectors = model.layers[0](docs, is_train)
    if not model.has_param("W"):
        raise ValueError(
            "A dlfa_spacy.MappedTokens.v1 has no maps yet. Expected nlp.initialize(), or a trained "
            "pipeline. Fix: initialize the pipeline first."
        )
    known = {name: i for i, name in enumerate(model.attrs["languages"])}
    chosen = [known.get(get_language(doc) or "") for doc in docs]
    pairs = list(zip(vectors, chosen, strict=True))
    mapped = [x if i is None else _map(model, x, i) for x, i in pairs]

    def backprop(d_mapped: list[Floats2d]) -> list[Doc]:
        d_vectors = [
            d if i is None else _gradient(model, d, x, i)
            for d, (x, i) in zip(d_mapped, pairs, strict=True)
        ]
        return backprop_vectors(d_vectors)

    return mapped, backprop


def _map(model: Model, x: Floats2d, i: int) -> Floats2d:
    """y = (x - mean) W' + mean_en. White space, which has no wordpieces, keeps its zeros."""
    weights, means, english = (
        cast(Any, model.get_param(name))[i] for name in ("W", "means", "english")
    )
    y = (x - means) @ weights.T + english
    return cast(Floats2d, model.ops.xp.where(_is_there(model, x), y, x).astype("f"))


def _gradient(model: Model, d: Floats2d, x: Floats2d, i: int) -> Floats2d:
    d_x = d @ model.get_param("W")[i]
    return cast(Floats2d, model.ops.xp.where(_is_there(model, x), d_x, d).astype("f"))


def _is_there(model: Model, x: Floats2d) -> numpy.ndarray:
    """RETURNS (NDArray): `(n_tokens, 1)` bool."""
    found: numpy.ndarray = model.ops.xp.any(x != 0, axis=1, keepdims=True)
    return found
