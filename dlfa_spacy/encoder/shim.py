"""Holds the encoder inside a thinc model and owns its bytes."""

import functools
import hashlib
import json
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import srsly
import torch
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Optimizer, get_torch_default_device
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from ..steps import step
from ..threads import ModuleUse
from .ledger import GradientLedger
from .run.bfloat16 import has_bfloat16
from .run.onnx_runtime import (
    NO_TRAINING,
    OnnxEncoder,
    OnnxPackedEncoder,
    onnx_from_message,
    onnx_message,
)
from .run.packed import PackedEncoder
from .segment.pieces import PieceTokenizer, count_pieces
from .storage.checks import check_config, check_weights
from .storage.errors import EncoderError
from .storage.fingerprint import fingerprint, weights_state
from .storage.huggingface import from_pretrained, settled
from .storage.int8 import Int8Linear
from .storage.int8_embedding import Int8Embedding
from .storage.loading import max_wordpieces
from .storage.placing import place_layers
from .storage.tokenizer_files import save_tokenizer, write_tokenizer
from .storage.uninitialized import empty_encoder
from .storage.weights import STORAGE, int4_layers, load_weights, save_weights

FORMAT = 1
# What `dlfa optimize` makes: weights of half the width, or int8. Older versions refuse it.
OPTIMIZED_FORMAT = 2
# An ONNX graph instead of weights.
ONNX_FORMAT = 3
# Some layers in four bits, as the bundled encoder has them.
INT4_FORMAT = 4
# What a configuration may ask for, beside the bytes that are there.
LEAST_WEIGHTS = 10**8
WEIGHTS_PER_BYTE = 60
FORMATS = (FORMAT, OPTIMIZED_FORMAT, ONNX_FORMAT, INT4_FORMAT)


class EncoderShim(HFShim):
    """The encoder, its tokenizer, and the gradients that wait for its backward pass.

    Unlike the stock shim its bytes are safetensors, and loading fails on any missing, surplus or
    misshapen weight instead of leaving it random.
    """

    def __init__(self, hf_model: HFObjects, mixed_precision: bool, grad_scaler_config: dict):
        # thinc's mixed precision is half floats, whose gradients have to be scaled. Those of
        # bfloat16, as wide as fp32, have not: `PackedEncoder` sees to it, on any device.
        device = get_torch_default_device().type
        halves = device != "cpu" and not has_bfloat16(device)
        self.half_floats = mixed_precision and halves
        super().__init__(
            hf_model,
            mixed_precision=self.half_floats,
            grad_scaler_config=dict(grad_scaler_config) if halves else {"enabled": False},
        )
        self.mixed_precision = mixed_precision
        self.scaler_config = dict(grad_scaler_config)
        self.ledger = GradientLedger()
        self.use = ModuleUse()
        # Called once, with all gradients in the weights, before the optimizer's next step.
        self.before_step: Callable[[], None] | None = None
        # Rate of a weight relative to that of the training, by its name; 1 by default.
        self.lr_scales: dict[str, float] = {}
        # How floats are saved; in memory they are fp32 all the same.
        self.storage = "float32"
        # Names of the encoder's layers that are `Int8Linear`.
        self.int8_layers: list[str] = []
        # The encoder's fingerprint, and the state that its weights were in.
        self._fingerprint: tuple[tuple[str, int], str] | None = None
        self._name: str | None = None

    def set_encoder(self, hf_model: HFObjects) -> None:
        self._fingerprint = self._name = None
        self._hfmodel.tokenizer = hf_model.tokenizer
        self._hfmodel.transformer = hf_model.transformer
        pieces = PieceTokenizer(hf_model.tokenizer)
        # A fast tokenizer changes its settings at the first call, which fails while another thread
        # is in it. This is the first call.
        pieces.frames  # noqa: B018
        self.piece_tokenizer = pieces
        if isinstance(hf_model.transformer, OnnxEncoder):
            self._model = OnnxPackedEncoder(hf_model.transformer)
            self.max_length = hf_model.transformer.max_length
        else:
            self._model = PackedEncoder(hf_model.transformer, self.mixed_precision)
            self.max_length = max_wordpieces(hf_model.transformer, hf_model.tokenizer)
        self._model.eval()

    @property
    def is_onnx(self) -> bool:
        return isinstance(self._hfmodel.transformer, OnnxEncoder)

    @property
    def has_trainable_weights(self) -> bool:
        """Whether any weight trains. A pooler does not count: no layer that is handed out goes
        through it. Nobody has frozen an encoder that merely cannot be trained."""
        return self.is_onnx or any(
            parameter.requires_grad
            for name, parameter in self._hfmodel.transformer.named_parameters()
            if not name.startswith("pooler.")
        )

    def fingerprint(self) -> str:
        """RETURNS (str): A name for the encoder as it is now (see `encoder.fingerprint`). Hashed
        anew only when a weight has changed."""
        transformer = self._hfmodel.transformer
        state = self._weights_state()
        known = self._fingerprint
        if known is None or known[0] != state:
            if isinstance(transformer, OnnxEncoder):
                found = hashlib.blake2b(transformer.graph, digest_size=16).hexdigest()
            else:
                found = fingerprint(transformer, STORAGE[self.storage])
            known = self._fingerprint = state, found
        return known[1]

    @property
    def name(self) -> str:
        """A name until the next step, for nothing: its fingerprint where that is known already,
        else what no other encoder is called."""
        with self.use.lock:
            if self._name is None:
                known = self._fingerprint
                self._name = secrets.token_hex(16) if known is None else known[1]
            return self._name

    def lasting_name(self) -> str:
        """RETURNS (str): The fingerprint, from now on its name: it is about to be saved."""
        self._name = self.fingerprint()
        return self._name

    def _weights_state(self) -> tuple[str, int]:
        return self.storage, weights_state(self._hfmodel.transformer)

    def predict(self, inputs: Any) -> Any:
        """Run the encoder. thinc's own predict() switches the module's mode, and with it the
        dropout of every other thread."""
        with (
            self.use.predicting(self._model.transformer),
            torch.no_grad(),
            torch.autocast("cuda", enabled=self.half_floats),
        ):
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: Any) -> Any:
        if self.is_onnx:
            raise ValueError(NO_TRAINING)
        if self.int8_layers:
            raise ValueError(
                f"This encoder cannot be trained: {len(self.int8_layers)} of its layers are int8 "
                "(dlfa optimize --int8). Expected an encoder of floats. Fix: train the pipeline "
                "that was optimized, or freeze the encoder ([training] frozen_components and "
                "annotating_components)."
            )
        with self.use.training(self._model):
            output, backprop = super().begin_update(inputs)

        def backprop_in_training(gradients: Any) -> Any:
            # thinc divides all gradients by the scale after each backward pass: also those that
            # wait for a step since another batch, or another listener.
            self._grad_scaler.scale(self._gradients(), inplace=True)
            # Where activations are checkpointed, the forward pass runs again.
            with self.use.training(self._model):
                return backprop(gradients)

        return output, backprop_in_training

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss that is no listener's to what is in the weights. With half
        floats it is scaled on the way, as theirs is."""
        scaler = self._grad_scaler
        scaler.scale(self._gradients(), inplace=True)
        cast(Tensor, scaler.scale(loss)).backward()
        scaler.unscale(self._gradients())

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self._model.parameters() if p.grad is not None]

    def finish_update(self, optimizer: Optimizer) -> None:
        if self.ledger.is_waiting:
            self.ledger.collect()
        if self.ledger.is_waiting:
            self.ledger.when_settled(functools.partial(self._step, optimizer))
        else:
            # Gradients still wait here if the component that was expected last is frozen.
            self.ledger.close()
            self._step(optimizer)

    def _step(self, optimizer: Optimizer) -> None:
        if self._model is None:
            return
        for parameter in self._model.parameters():
            # What was frozen after it had a gradient would still move by momentum.
            if not parameter.requires_grad:
                parameter.grad = None
        if any(parameter.grad is not None for parameter in self._model.parameters()):
            before_step, self.before_step = self.before_step, None
            if before_step is not None:
                before_step()
            # Not a step, if a gradient was out of the range of half floats.
            overflow = bool(self._grad_scaler.found_inf)
            step(self.id, self._model.named_parameters(), optimizer, self.lr_scales, skip=overflow)
            self._grad_scaler.update()
            self.weights_changed()
        self.use.rest()

    def weights_changed(self) -> None:
        """Forget what was derived from weights that are others now."""
        if self._model is not None:
            self._model.bfloat16_blocks.forget()
        self._fingerprint = self._name = None
        # What was learned now does not fit into half floats.
        self.storage = "float32"

    def __deepcopy__(self, memo: dict[int, Any]) -> "EncoderShim":
        # The ledger may hold the graph of a batch, which cannot be copied.
        hf = self._hfmodel
        copied = EncoderShim(
            HFObjects(
                None, None, None, dict(hf._init_tokenizer_config), dict(hf._init_transformer_config)
            ),
            self.mixed_precision,
            self.scaler_config,
        )
        return copied.from_bytes(self.to_bytes())

    def __getstate__(self) -> dict[str, Any]:
        # Addresses of weights mean nothing to another process.
        fresh = {"ledger": GradientLedger(), "_fingerprint": None, "_name": self.name}
        fresh["before_step"] = None
        return {**self.__dict__, **fresh}

    def to_bytes(self) -> bytes:
        self.use.rest()
        hf = self._hfmodel
        optimized = self.storage != "float32" or bool(self.int8_layers)
        msg: dict[str, Any] = {
            "format": OPTIMIZED_FORMAT if optimized else FORMAT,
            "tokenizer_config": dict(hf._init_tokenizer_config),
            "transformer_config": dict(hf._init_transformer_config),
            "encoder": None,
        }
        if hf.transformer is not None:
            msg["encoder"] = {
                "config": _config_dict(hf.transformer.config),
                "tokenizer": _tokenizer_files(hf.tokenizer),
                "use_fast": hf.tokenizer.is_fast,
                "n_pieces": count_pieces(hf.tokenizer),
                # So that loading need not hash.
                "fingerprint": self.fingerprint(),
            }
            if isinstance(hf.transformer, OnnxEncoder):
                msg["format"] = ONNX_FORMAT
                msg["encoder"]["onnx"] = onnx_message(hf.transformer)
                return cast(bytes, srsly.msgpack_dumps(msg))
            int4 = int4_layers(hf.transformer)
            msg["encoder"]["weights"] = save_weights(hf.transformer, self.storage, int4)
            if optimized or int4:
                msg["encoder"]["storage"] = self.storage
                msg["encoder"]["int8_layers"] = list(self.int8_layers)
            if int4:
                msg["format"] = INT4_FORMAT
                msg["encoder"]["int4_layers"] = int4
        return cast(bytes, srsly.msgpack_dumps(msg))

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        msg = srsly.msgpack_loads(bytes_data)
        found = msg.get("format") if isinstance(msg, dict) else None
        if found not in FORMATS:
            raise ValueError(
                "These bytes do not hold an encoder of dlfa_spacy.TransformerModel.v1: their "
                f"format is {found}, expected one of {FORMATS}. Fix: check "
                "[components.transformer.model] @architectures, or load the pipeline with "
                "the version that saved it."
            )
        hf = HFObjects(None, None, None, msg["tokenizer_config"], msg["transformer_config"])
        saved = msg["encoder"]
        if saved is None:
            self._hfmodel = hf
            return self
        storage, int8_layers = _optimized_settings(saved, found)
        transformer: Any
        if found != ONNX_FORMAT and "weights" not in saved:
            raise ValueError(
                f"The saved encoder has the fields {sorted(saved)}, and no weights. Expected the "
                "bytes that nlp.to_disk wrote. Fix: copy the pipeline again, or train again."
            )
        config = _read_config(saved["config"])
        # As many rows and layers as the bytes can fill, with room for layers that share weights.
        check_config(config, max(LEAST_WEIGHTS, WEIGHTS_PER_BYTE * len(bytes_data)))
        if found == ONNX_FORMAT:
            transformer = onnx_from_message(saved.get("onnx"), config)
        else:
            # What is not loaded below is an error, so nothing stays as it comes.
            transformer = empty_encoder(config, **settled(config, msg["transformer_config"]))
            place_layers(transformer, int8_layers, Int8Linear, Int8Embedding, "int8")
            int4 = _int4_layers(saved, found)
            # The bytes are let go of before the tokenizer comes: that of a large vocabulary needs
            # more memory than they do.
            load_weights(transformer, saved.pop("weights"), storage, int4)
            check_weights(transformer)
            transformer.to(get_torch_default_device())
        tokenizer = _read_tokenizer(saved["tokenizer"], saved["use_fast"])
        _check_pieces(tokenizer, saved.get("n_pieces"))
        # Only now: what fails above leaves the encoder that was here untouched.
        self._hfmodel = hf
        self.storage, self.int8_layers = storage, int8_layers
        self.set_encoder(HFObjects(tokenizer, transformer, None))
        if isinstance(saved.get("fingerprint"), str):
            self._fingerprint = self._weights_state(), saved["fingerprint"]
        return self


def _optimized_settings(saved: dict[str, Any], found: int) -> tuple[str, list[str]]:
    """RETURNS (Tuple[str, List[str]]): How floats were saved, and which layers are int8."""
    if found not in (OPTIMIZED_FORMAT, INT4_FORMAT):
        return "float32", []
    storage, int8_layers = saved.get("storage"), saved.get("int8_layers")
    if storage not in STORAGE or not isinstance(int8_layers, list):
        raise ValueError(
            f"The saved encoder has storage = {storage!r} and int8_layers = {int8_layers!r}. "
            f"Expected one of {sorted(STORAGE)} and a list of names. Fix: make the pipeline again "
            "with dlfa optimize, or load it with the version that saved it."
        )
    if int8_layers and get_torch_default_device().type != "cpu":
        raise ValueError(
            "This encoder is int8 (dlfa optimize --int8), which runs on a CPU only, but the "
            f"device is {get_torch_default_device().type}. Fix: load it without "
            "spacy.require_gpu(), or optimize without --int8."
        )
    return storage, int8_layers


def _int4_layers(saved: dict[str, Any], found: int) -> list[str]:
    """RETURNS (List[str]): Which layers were saved in four bits."""
    if found != INT4_FORMAT:
        return []
    names = saved.get("int4_layers")
    if not isinstance(names, list):
        raise ValueError(
            f"The saved encoder has int4_layers = {names!r}. Expected a list of names. Fix: copy "
            "the pipeline again, or load it with the version that saved it."
        )
    return names


def _check_pieces(tokenizer: Any, saved: int | None) -> None:
    """RAISES (ValueError): Tokenizer and encoder were not saved together: one of them has a trimmed
    vocabulary, and wordpieces would take rows that belong to others."""
    # Pipelines of older versions do not say.
    found = count_pieces(tokenizer)
    if saved is not None and found != saved:
        raise ValueError(
            f"The saved tokenizer has {found} wordpieces, but the encoder was saved with one of "
            f"{saved}. Expected the same vocabulary, trimmed for both or for neither. Fix: "
            "copy the pipeline again, or make it again with dlfa optimize."
        )


def _read_config(values: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        # Not srsly: it writes 12 digits behind the point, and BERT adds 1e-12 to a variance.
        (Path(folder) / "config.json").write_text(json.dumps(values), encoding="utf-8")
        return from_pretrained(AutoConfig, folder)


def _read_tokenizer(files: Any, use_fast: bool) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(files, Path(folder))
        try:
            return from_pretrained(AutoTokenizer, folder, use_fast=use_fast)
        except EncoderError:
            raise
        except Exception as error:
            # transformers guesses what is missing, often wrongly.
            raise ValueError(
                f"The saved tokenizer cannot be read; its files are {sorted(files)} ({error}). "
                "Expected those that save_pretrained() writes. Fix: copy the pipeline again, or "
                "train again."
            ) from error


def _config_dict(config: Any) -> dict[str, Any]:
    values = cast(dict[str, Any], config.to_dict())
    # Where the encoder once lay on somebody's disk is nobody else's business.
    values.pop("_name_or_path", None)
    values["torch_dtype"] = "float32"
    return values


def _tokenizer_files(tokenizer: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        save_tokenizer(tokenizer, Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
