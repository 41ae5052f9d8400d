"""Holds an aggregator's torch module inside a thinc model."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

import srsly
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from thinc.api import Optimizer, PyTorchShim, get_torch_default_device

from ..steps import step
from ..threads import ModuleUse
from .contract import Aggregator

# (width, num_layers) -> the module
ModuleFactory = Callable[[int, int], Aggregator]

FIELDS = {"settings", "width", "num_layers", "slot", "state"}
DAMAGED = "The saved weights of an [aggregation] are damaged"
COPY_AGAIN = "Fix: copy the pipeline again, or train again."


class AggregatorShim(PyTorchShim):
    """A torch module made once the encoder's width and depth are known: at `initialize` or load.

    Differs from thinc's shim in three things: the module is made late, its bytes carry the settings
    it was made with (and fail hard on any mismatch), and its parameters have their own learning
    rate relative to the encoder's, which thinc's optimizer supports but its torch shim never asks.
    """

    def __init__(
        self,
        kind: type[Aggregator],
        settings: dict[str, Any],
        lr_scale: float,
        factory: ModuleFactory,
    ):
        super().__init__(None)
        self.kind = kind
        self.factory = factory
        # The method in tables.
        self.variant = kind.variant(settings)
        self.settings = settings
        self.lr_scale = lr_scale
        self.use = ModuleUse()
        self.width: int | None = None
        self.num_layers: int | None = None
        # Name of its vectors on a Doc, and of the encoder that is for. Saved with the weights; None
        # from a change of them until somebody asks.
        self._slot: tuple[str, str | None] | None = None
        # Fingerprint of the encoder it was trained with, until that is known to be the one it
        # reads; then it is saved with the fingerprint that encoder has.
        self.made_for: str | None = None
        self.encoder: Callable[[], Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "encoder": None}

    @property
    def module(self) -> Aggregator:
        if self._model is None:
            raise ValueError(
                "The aggregation has no weights yet. Fix: call nlp.initialize(), or load a trained "
                "pipeline, before using it."
            )
        return cast(Aggregator, self._model)

    @property
    def is_built(self) -> bool:
        return self._model is not None

    @property
    def has_parameters(self) -> bool:
        return any(p.requires_grad for p in self.module.parameters())

    @property
    def key(self) -> str:
        """Names the vectors: by settings, weights and encoder, so that a Doc that was stored hands
        no listener the vectors of another; without weights by the settings alone."""
        if not self.has_parameters:
            return self.kind.vectors_name(self.settings)
        encoder = self._encoder_name()
        slot = self._slot
        if slot is None or encoder not in (None, slot[1]):
            slot = self._slot = self._name_vectors(encoder), encoder
        return slot[0]

    def rename_vectors(self) -> None:
        """Forget the name that came from a file: another aggregator has it, with other weights."""
        self._slot = None

    def _name_vectors(self, encoder: str | None) -> str:
        seen = hashlib.sha1(f"{self.fingerprint()} {encoder}".encode())
        return f"vectors_{seen.hexdigest()[:16]}"

    def _encoder_name(self) -> str | None:
        """RETURNS (Optional[str]): A name of the encoder as it is now. None where it is not known,
        and for a graph, which has vectors under the names that they had when it was made."""
        encoder = None if self.encoder is None else self.encoder()
        if encoder is None or not encoder.attrs["has_transformer"] or encoder.shim.is_onnx:
            return None
        return cast(str, encoder.shim.name)

    def fingerprint(self) -> str:
        """RETURNS (str): A hash of its settings and weights, for what was computed from them."""
        seen = hashlib.sha256(repr((self.settings, self.width, self.num_layers)).encode("utf-8"))
        for name, tensor in sorted(self.module.state_dict().items()):
            seen.update(name.encode("utf-8") + tensor.detach().cpu().numpy().tobytes())
        return seen.hexdigest()

    def build(self, width: int, num_layers: int) -> None:
        """Make the module for an encoder; check it against the encoder if it exists already."""
        if self._model is None:
            module = self.factory(width, num_layers)
            module.needs(num_layers)  # raises for a layer out of range
            self._model = module.to(get_torch_default_device()).eval()
            self.width, self.num_layers = width, num_layers
        elif (width, num_layers) != (self.width, self.num_layers):
            raise ValueError(
                f"[aggregation] was trained for an encoder of width {self.width} with "
                f"{self.num_layers} layers, but its upstream encoder has width {width} and "
                f"{num_layers} layers. Fix: use the encoder it was trained with, or train again."
            )

    def finish_update(self, optimizer: Optimizer) -> None:
        if self._model is None:
            return
        parameters = list(self.module.named_parameters())
        if any(parameter.grad is not None for _, parameter in parameters):
            self._slot = None
        step(self.id, parameters, optimizer, dict.fromkeys(dict(parameters), self.lr_scale))
        self.use.rest()

    def to_bytes(self) -> bytes:
        self.use.rest()
        state = {} if self._model is None else self.module.state_dict()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        # First, because it gives the encoder its lasting name.
        encoder = self._trained_with()
        return cast(
            bytes,
            srsly.msgpack_dumps(
                {
                    "settings": self.settings,
                    "width": self.width,
                    "num_layers": self.num_layers,
                    "slot": None if self._model is None else self.key,
                    "encoder": encoder,
                    "state": save_tensors(tensors),
                }
            ),
        )

    def _trained_with(self) -> str | None:
        """RETURNS (Optional[str]): The fingerprint of its encoder, if there is one."""
        encoder = None if self.encoder is None else self.encoder()
        if self.made_for is not None or encoder is None or not encoder.attrs["has_transformer"]:
            return self.made_for
        return cast(str, encoder.shim.lasting_name())

    def from_bytes(self, bytes_data: bytes) -> "AggregatorShim":
        try:
            msg = srsly.msgpack_loads(bytes_data)
        except Exception as error:
            # msgpack has no common error type: a cut file raises whatever it stumbles over.
            raise ValueError(
                f"{DAMAGED} ({type(error).__name__}: {error}). {COPY_AGAIN}"
            ) from error
        if not isinstance(msg, dict) or not FIELDS <= set(msg):
            raise ValueError(f"{DAMAGED}: expected the fields {sorted(FIELDS)}. {COPY_AGAIN}")
        if msg["settings"] != self.settings:
            raise ValueError(
                f"[aggregation] of the config says {self.settings}, but the weights were saved "
                f"with {msg['settings']}. Fix: restore the config the pipeline was trained with."
            )
        if msg["width"] is None:
            return self
        module = self.factory(msg["width"], msg["num_layers"])
        try:
            module.load_state_dict(load_tensors(msg["state"]), strict=True)
        except SafetensorError as error:
            raise ValueError(f"{DAMAGED} ({error}). {COPY_AGAIN}") from error
        except RuntimeError as error:
            raise ValueError(
                f"The saved weights of the aggregation do not fit its settings {self.settings}: "
                f"{error}. Fix: load the pipeline with the version of dlfa_spacy that saved it."
            ) from error
        self._model = module.to(get_torch_default_device()).eval()
        self.width, self.num_layers = msg["width"], msg["num_layers"]
        # Pipelines of older versions do not say.
        self.made_for = msg.get("encoder")
        self._slot = msg["slot"] and (msg["slot"], self.made_for)
        return self


def no_gradients(d_vectors: torch.Tensor) -> dict[int, torch.Tensor]:
    """The backward pass of a prediction."""
    return {}
