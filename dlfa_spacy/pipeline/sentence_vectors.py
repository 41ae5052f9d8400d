"""The component `dlfa_sentence_vectors`: `doc.similarity` that works across languages."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import srsly
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, Span, Token
from spacy.training import Example
from spacy.util import minibatch

from ..encoder.batch import LayerBatch
from ..encoder.model import TransformerModel
from ..files.writing import replacing
from ..language import get_language
from .encoders import find_encoder
from .sbert_wk import sbert_wk_shares
from .states import resolve_layers, text_lengths, token_rows

POOLINGS = ("mean", "sbert_wk")
FILE = "means.msgpack"
# Vectors `(n_tokens, E)` of a Doc's tokens, and how much of it each is `(n_tokens,)`.
Rows = tuple[NDArray[numpy.float32], NDArray[numpy.float32]]
# The mean of all languages, for a Doc whose language is not known.
ANY = ""


@Language.factory(
    "dlfa_sentence_vectors",
    assigns=["doc.tensor", "doc.vector"],
    default_config={
        "pooling": "mean",
        "layers": None,
        "center": False,
        "upstream": None,
    },
)
def make_sentence_vectors(
    nlp: Language,
    name: str,
    pooling: str,
    layers: list[int] | None,
    center: bool,
    upstream: str | None,
) -> "SentenceVectors":
    """Vectors of texts, spans and tokens from any layers of the pipeline's encoder.

    pooling (str): "mean" over the wordpieces (special tokens left out) of the mean of the layers,
        or "sbert_wk" (Wang & Kuo 2020).
    layers (Optional[List[int]]): Which layers; 0 = embeddings, negative numbers count from the end.
        By default the last one for "mean", and the upper two thirds for "sbert_wk".
    center (bool): Take from each language its mean vector, which `initialize` or `learn_means`
        have to be given texts for.
    upstream (Optional[str]): The component that has the encoder; by default the first that does.
    CREATES: The component.

    ```ini
    [components.sentence_vectors]
    factory = "dlfa_sentence_vectors"
    pooling = "mean"
    layers = [-1]
    ```
    """
    if pooling not in POOLINGS:
        raise ValueError(
            f'[components.{name}] pooling = "{pooling}": expected "mean" or "sbert_wk". Fix: '
            'pooling = "mean".'
        )
    if layers is not None and len(set(layers)) < (2 if pooling == "sbert_wk" else 1):
        raise ValueError(
            f"[components.{name}] layers = {layers}: expected one layer or more, and two or more "
            'for pooling = "sbert_wk". Fix: layers = null.'
        )
    return SentenceVectors(
        nlp, name=name, pooling=pooling, layers=layers, center=center, upstream=upstream
    )


class SentenceVectors:
    """Sets `doc.tensor` to one row per token, so that `doc.vector` is the sentence's vector: the
    mean of the rows, each the sum of its token's wordpieces, in proportion. A span's vector points
    where the sum of its wordpieces does.

    Because they lie in `doc.tensor`, vectors survive `n_process`, `to_bytes` and `to_disk` of a
    Doc. Only a pipeline with static word vectors also needs the hooks, which `attach` sets and no
    serialization keeps. Put the component after a stock `doc_cleaner`, which takes `doc.tensor`
    away.

    nlp (Language): The pipeline, in which the encoder is looked for.
    The other arguments are those of `make_sentence_vectors`.
    """

    def __init__(
        self,
        nlp: Language,
        *,
        name: str = "sentence_vectors",
        pooling: str = "mean",
        layers: Sequence[int] | None = None,
        center: bool = False,
        upstream: str | None = None,
    ):
        self.nlp: Language | None = nlp
        self.name = name
        self.pooling = pooling
        self.layers = None if layers is None else list(layers)
        self.center = center
        self.upstream = upstream
        # Language -> the mean of its sentence vectors; ANY -> the mean of those.
        self.means: dict[str, NDArray[numpy.float32]] = {}
        self._encoder: TransformerModel | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Another process gets the encoder, not the pipeline around it.
        return {**self.__dict__, "nlp": None, "_encoder": self.encoder}

    @property
    def encoder(self) -> TransformerModel:
        """RETURNS (TransformerModel): The encoder asked, also of a component that is disabled.
        RAISES (ValueError): There is none of ours."""
        if self.nlp is None and self._encoder is not None:
            return self._encoder
        found = None if self.nlp is None else find_encoder(self.nlp, self.upstream)
        if found is None:
            names = [] if self.nlp is None else self.nlp.component_names
            raise ValueError(
                f"[components.{self.name}] upstream = {self.upstream!r}: found no encoder of "
                f"dlfa_spacy in {names}. Expected a component with a "
                "dlfa_spacy.TransformerModel.v1. Fix: add one to the pipeline."
            )
        return found

    def __call__(self, doc: Doc) -> Doc:
        """Set the vectors of one Doc."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Set the vectors of a stream of Docs, encoding whole batches.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): Docs at once.
        YIELDS (Doc): The Docs, in their own order.
        """
        for batch in minibatch(stream, batch_size):
            docs = list(batch)
            for doc, rows in zip(docs, self.rows(docs), strict=True):
                doc.tensor = rows
                attach(doc)
            yield from docs

    def rows(self, docs: Sequence[Doc]) -> list[NDArray[numpy.float32]]:
        """RETURNS (List[NDArray]): `(n_tokens, E)` for each Doc, whose mean is its vector."""
        raw = self._raw_rows(docs)
        if not self.center:
            return [rows for rows, _ in raw]
        if not self.means:
            raise ValueError(
                f"[components.{self.name}] center = true, but no means have been learned. Fix: "
                f'nlp.get_pipe("{self.name}").learn_means(texts by language), or nlp.initialize '
                "with examples whose doc._.language is set."
            )
        return [self._centred(doc, *found) for doc, found in zip(docs, raw, strict=True)]

    def vectors(self, docs: Sequence[Doc]) -> NDArray[numpy.float32]:
        """RETURNS (NDArray): `(B, E)`, the sentence vectors, without touching the Docs; zeros for a
        Doc without wordpieces."""
        return self._means_of(self.rows(docs))

    def learn_means(self, texts: dict[str, Iterable[str | Doc]], batch_size: int = 128) -> None:
        """Learn what `center` takes away: the mean vector of each language.

        texts (Dict[str, Iterable[Union[str, Doc]]]): Language -> some texts, unlabeled; a few
            hundred do. The languages that are given replace what was known of them.
        batch_size (int): Texts at once.
        RAISES (ValueError): A language has no text.
        """
        encoder = self.encoder
        encoder.load()
        for language, stream in texts.items():
            total, count = numpy.zeros(encoder.packed.width), 0
            for batch in minibatch(stream, batch_size):
                docs = [doc if isinstance(doc, Doc) else self._make_doc(doc) for doc in batch]
                full = [doc for doc in docs if len(doc)]
                if full:
                    raw = [rows for rows, _ in self._raw_rows(full)]
                    total += self._means_of(raw).sum(axis=0, dtype="float64")
                    count += len(full)
            if not count:
                raise ValueError(
                    f"[components.{self.name}] No text in {language!r} to learn its mean from. "
                    "Expected one or more. Fix: leave the language out."
                )
            self.means[language] = (total / count).astype("float32")
        known = [mean for language, mean in self.means.items() if language != ANY]
        self.means[ANY] = numpy.mean(known, axis=0, dtype="float64").astype("float32")

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Learn the means from the training examples, if `center`: by `doc._.language` of the
        reference. Those where it is not set are left out, or are one language if it is nowhere.

        get_examples (Callable[[], Iterable[Example]]): The examples.
        nlp (Language): The pipeline.
        """
        if not self.center:
            return
        texts: dict[str | None, list[str]] = {}
        for example in get_examples():
            language = get_language(example.reference)
            texts.setdefault(language, []).append(example.reference.text)
        # Texts of unknown languages are not one more language: they would count as much as one in
        # the mean of all.
        unknown = texts.pop(None, [])
        self.means = {}
        self.learn_means(
            {str(language): some for language, some in texts.items()} or {"?": unknown}
        )

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """RETURNS (bytes): The means."""
        return bytes(
            srsly.msgpack_dumps({name: mean.tobytes() for name, mean in self.means.items()})
        )

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "SentenceVectors":
        """Load the means.

        RAISES (ValueError): They do not fit the encoder.
        """
        saved = srsly.msgpack_loads(bytes_data)
        self.means = {name: numpy.frombuffer(mean, dtype="float32") for name, mean in saved.items()}
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the means."""
        with replacing(Path(path) / FILE) as temporary:
            temporary.write_bytes(self.to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "SentenceVectors":
        """Load the means."""
        return self.from_bytes((Path(path) / FILE).read_bytes())

    def _make_doc(self, text: str) -> Doc:
        if self.nlp is None:
            raise ValueError("This copy of the component has no tokenizer. Fix: hand in Docs.")
        return self.nlp.make_doc(text)

    def _chosen(self, num_layers: int) -> list[int]:
        if self.layers is None:
            first = num_layers // 3 if self.pooling == "sbert_wk" else num_layers
            return list(range(first, num_layers + 1))
        return resolve_layers(self.layers, num_layers)

    def _raw_rows(self, docs: Sequence[Doc]) -> list[Rows]:
        """RETURNS (List[Tuple[NDArray, NDArray]]): `(n_tokens, E)` and `(n_tokens,)` for each Doc:
        the rows, not centered, and how much of the text each is; the mean of that is 1."""
        encoder = self.encoder
        encoder.load()
        width = encoder.packed.width
        found: list[Rows] = [
            (numpy.zeros((len(doc), width), dtype="f"), numpy.zeros(len(doc), dtype="f"))
            for doc in docs
        ]
        full = [i for i, doc in enumerate(docs) if len(doc)]
        if full:
            layers = self._chosen(encoder.num_layers)
            batch = encoder.encode([docs[i] for i in full], sorted(set(layers)))
            for i, rows in zip(full, self._token_rows(batch, layers), strict=True):
                found[i] = rows
        return found

    def pooled(self, batch: LayerBatch) -> NDArray[numpy.float32]:
        """RETURNS (NDArray): `(B, E)`, the vectors of a batch that somebody else has encoded, not
        centered. It must have the layers that the component reads."""
        rows = self._token_rows(batch, self._chosen(batch.num_layers))
        return self._means_of([part for part, _ in rows])

    def _token_rows(self, batch: LayerBatch, layers: list[int]) -> list[Rows]:
        """RETURNS (List[Tuple[NDArray, NDArray]]): As `_raw_rows`."""
        is_text = token_rows(batch)
        lengths = text_lengths(batch, is_text)
        index = is_text.nonzero()[:, 0]
        states = torch.stack([batch.states[x].detach().cpu()[index].float() for x in layers])
        if self.pooling == "mean":
            pieces = states.mean(dim=0)
            shares = (1 / lengths.clamp_min(1).float()).repeat_interleave(lengths)
        else:
            pieces, shares = sbert_wk_shares(states, lengths)
        # The share is carried along as one more column.
        weighed = torch.cat([shares[:, None] * pieces, shares[:, None]], dim=1).numpy()
        align = batch.windows.align
        owners = numpy.asarray(align.dataXd, dtype="int64")
        place = numpy.zeros(len(is_text), dtype="int64")
        place[index.numpy()] = numpy.arange(len(index))
        # A wordpiece of two tokens is divided between them.
        portions = (1 / numpy.bincount(owners, minlength=len(is_text))[owners]).astype("f")
        counts = numpy.asarray(align.lengths)
        rows = numpy.zeros((len(counts), weighed.shape[1]), dtype="f")
        tokens = numpy.repeat(numpy.arange(len(counts)), counts)
        numpy.add.at(rows, tokens, weighed[place[owners]] * portions[:, None])
        ends = numpy.asarray(batch.windows.doc_tokens)
        parts = [len(part) * part for part in numpy.split(rows, ends[1:-1])]
        return [(part[:, :-1].copy(), part[:, -1].copy()) for part in parts]

    def _centred(self, doc: Doc, rows: NDArray, weights: NDArray) -> NDArray[numpy.float32]:
        mean = self.means.get(get_language(doc) or ANY, self.means[ANY])
        if len(mean) != rows.shape[1]:
            raise ValueError(
                f"[components.{self.name}] The means have {len(mean)} dimensions, the encoder "
                f"{rows.shape[1]}. Expected the same. Fix: learn_means again."
            )
        return (rows - weights[:, None] * mean).astype("float32")

    @staticmethod
    def _means_of(rows: Sequence[NDArray]) -> NDArray[numpy.float32]:
        return numpy.stack(
            [part.mean(axis=0) if len(part) else numpy.zeros(part.shape[1], "f") for part in rows]
        )


def attach(doc: Doc) -> Doc:
    """Make a Doc answer `vector` and `similarity` from `doc.tensor`, and its spans and tokens too.

    The component does it. Who reads a Doc from bytes, a DocBin or another process may do it again:
    without, spaCy reads the same vectors from `doc.tensor`, but warns that there are no word
    vectors, or prefers those of the pipeline.

    doc (Doc): A Doc that the component has processed.
    RETURNS (Doc): It.
    """
    doc.user_hooks.update(
        {
            "vector": _doc_vector,
            "has_vector": _has_vector,
            "vector_norm": _norm,
            "similarity": _similarity,
        }
    )
    doc.user_span_hooks.update(
        {
            "vector": _span_vector,
            "has_vector": _has_vector,
            "vector_norm": _norm,
            "similarity": _similarity,
        }
    )
    doc.user_token_hooks.update(
        {
            "vector": _token_vector,
            "has_vector": _has_vector,
            "vector_norm": _norm,
            "similarity": _similarity,
        }
    )
    return doc


def _doc_vector(doc: Doc) -> NDArray:
    return _mean(doc.tensor)


def _span_vector(span: Span) -> NDArray:
    return _mean(span.doc.tensor[span.start : span.end])


def _token_vector(token: Token) -> NDArray:
    return numpy.asarray(token.doc.tensor[token.i])


def _mean(rows: NDArray) -> NDArray:
    return rows.mean(axis=0) if len(rows) else numpy.zeros(rows.shape[1:], dtype="f")


def _has_vector(item: Doc | Span | Token) -> bool:
    return bool(item.vector.any())


def _norm(item: Doc | Span | Token) -> float:
    return _length(item.vector)


def _length(vector: Any) -> float:
    return float(numpy.linalg.norm(vector))


def _similarity(item: Doc | Span | Token, other: Any) -> float:
    """RETURNS (float): The cosine; 0 where one of the two has no vector."""
    a, b = item.vector, other.vector
    scale = _length(a) * _length(b)
    return float(a @ b) / scale if scale else 0.0
