"""An encoder and the aggregations that read it as one ONNX graph, run by ONNX Runtime on a CPU."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy
import torch
from thinc.api import get_torch_default_device
from torch import Tensor, nn

from ..reader import Reader
from .gather import Outputs
from .packed import Consumer, PackedEncoder

AGAIN = "Fix: copy the pipeline again, or make it again with dlfa optimize --onnx"
INPUTS = ["input_ids", "attention_mask"]
TYPES = "token_type_ids"
NO_TRAINING = (
    "This encoder cannot be trained: it is an ONNX graph (dlfa optimize --onnx). Expected an "
    "encoder of torch. Fix: train the pipeline that was optimized, or freeze the encoder "
    "([training] frozen_components and annotating_components) and train components whose "
    "aggregation has no weights."
)
NO_LAYERS = (
    "This encoder is an ONNX graph (dlfa optimize --onnx): it gives the vectors of its listeners, "
    "and no layers. Expected an encoder of torch, to look into layers or to train an aggregation. "
    "Fix: use the pipeline that was optimized."
)


class OnnxEncoder(nn.Module):
    """Stands where the Hugging Face encoder of a pipeline would.

    The graph reads `input_ids`, `attention_mask` and, if the encoder knows them, `token_type_ids`,
    `(b, T)` int64 each, and gives for each aggregation `(n, E)` float32: a row for each wordpiece
    that is not masked.

    graph (bytes): The ONNX file.
    config (PretrainedConfig): The encoder's.
    outputs (Mapping[str, str]): Of each aggregation, in the order of the graph's outputs, the name
        of its vectors and the fingerprint of its weights.
    max_length (int): Wordpieces the encoder reads at once.
    RAISES (ValueError): ONNX Runtime is missing or cannot read the graph; the graph has other
        inputs or outputs; the device is not a CPU.
    """

    def __init__(self, graph: bytes, config: Any, outputs: Mapping[str, str], max_length: int):
        super().__init__()
        self.graph = graph
        self.config = config
        self.outputs = dict(outputs)
        self.max_length = max_length
        self._sessions: dict[int, Any] = {}
        device = get_torch_default_device().type
        if device != "cpu":
            raise ValueError(
                "This encoder is an ONNX graph (dlfa optimize --onnx), which runs on a CPU only, "
                f"but the device is {device}. Fix: load it without spacy.require_gpu(), or "
                "optimize without --onnx."
            )
        inputs = [node.name for node in self.session.get_inputs()]
        found = [node.name for node in self.session.get_outputs()]
        self.takes_types = TYPES in inputs
        if inputs != [*INPUTS, TYPES][: len(inputs)] or found != output_names(len(self.outputs)):
            raise ValueError(
                f"The saved ONNX graph reads {inputs} and gives {found}. Expected "
                f"{INPUTS} (and {TYPES}), and {output_names(len(self.outputs))}. {AGAIN}."
            )

    @property
    def session(self) -> Any:
        """One per process: threads do not survive a fork. That of the parent is kept, because
        letting go of it would wait for them."""
        process = os.getpid()
        if process not in self._sessions:
            self._sessions[process] = open_session(self.graph)
        return self._sessions[process]

    def check(self) -> None:
        """RAISES (ValueError): The graph has fewer rows for wordpieces, or gives vectors of another
        width, than its configuration says."""
        width, rows = int(self.config.hidden_size), int(self.config.vocab_size)
        ids = numpy.array([[0, rows - 1]])
        try:
            vectors = self.run(ids, numpy.ones_like(ids), None)
        except Exception as error:
            # ONNX Runtime has an error class for each status, without a common base.
            raise ValueError(
                f"The saved ONNX graph does not run ({error}). Expected rows for {rows} "
                f"wordpieces, as its configuration says. {AGAIN}."
            ) from error
        shapes = [array.shape for array in vectors]
        if any(shape != (2, width) for shape in shapes):
            raise ValueError(
                f"The saved ONNX graph turns 2 wordpieces into vectors of shape {shapes}. Expected "
                f"{(2, width)}, as its configuration says. {AGAIN}."
            )

    def run(
        self,
        ids: numpy.ndarray,
        mask: numpy.ndarray,
        types: numpy.ndarray | None,
        places: list[int] | None = None,
    ) -> list[numpy.ndarray]:
        """
        ids, mask, types: `(b, T)` integers.
        places (Optional[List[int]]): Which outputs; by default all.
        RETURNS (List[ndarray]): `(n, E)` each.
        """
        feed = {"input_ids": ids.astype("int64"), "attention_mask": mask.astype("int64")}
        if self.takes_types:
            feed[TYPES] = numpy.zeros_like(feed["input_ids"]) if types is None else types
        names = output_names(len(self.outputs))
        wanted = names if places is None else [names[place] for place in places]
        found: list[numpy.ndarray] = self.session.run(wanted, feed)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sessions": {}}


class OnnxPackedEncoder(PackedEncoder):
    """Runs the graph over windows in buckets of similar length.

    transformer (OnnxEncoder): The graph.
    """

    transformer: OnnxEncoder

    def __init__(self, transformer: OnnxEncoder):
        super().__init__(transformer)
        # Modules whose weights are known to be those of the graph.
        self._known: dict[str, nn.Module] = {}

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def takes_types(self) -> bool:
        return self.transformer.takes_types

    def consumers(self, readers: Mapping[str, Reader]) -> dict[str, Consumer]:
        """RAISES (ValueError): A reader whose vectors the graph does not give."""
        places: dict[str, int] = {}
        names = list(self.transformer.outputs)
        for key, reader in readers.items():
            name = reader.vectors_key
            if name not in names or not self._has_weights_of(name, reader):
                raise ValueError(
                    "A component reads the encoder through an aggregation that its ONNX graph does "
                    f"not hold (found {len(names)} in the graph, made by dlfa optimize --onnx). "
                    "Expected the aggregations that the pipeline had then, with the same weights. "
                    "Fix: put the component into the pipeline that was optimized, and optimize "
                    "that again."
                )
            places[key] = names.index(name)
        # In one step: another thread may be between this and its own run.
        self._places = places
        return super().consumers(readers)

    def _has_weights_of(self, name: str, reader: Reader) -> bool:
        shim = reader.shim
        if shim is None or self._known.get(name) is shim.module:
            return True
        if shim.fingerprint() != self.transformer.outputs[name]:
            return False
        self._known[name] = shim.module
        return True

    def _outputs(
        self,
        ids: numpy.ndarray,
        types: numpy.ndarray | None,
        lengths: numpy.ndarray,
        layers: list[int],
        consumers: Mapping[str, Consumer] | None,
    ) -> Outputs:
        if consumers is None:
            raise ValueError(NO_LAYERS)
        padded, real, padded_types = self._pad(ids, types, lengths)
        places = [self._places[key] for key in consumers]
        # Two listeners may read the same vectors.
        wanted = sorted(set(places))
        arrays = self.transformer.run(padded, real, padded_types, wanted)
        return {
            key: torch.from_numpy(arrays[wanted.index(place)])
            for key, place in zip(consumers, places, strict=True)
        }

    def _hidden_states(self, kwargs: dict[str, object], layers: list[int]) -> dict[int, Tensor]:
        raise ValueError(NO_LAYERS)


def output_names(count: int) -> list[str]:
    """RETURNS (List[str]): The outputs of a graph."""
    return [f"vectors_{i}" for i in range(count)]


def open_session(graph: bytes) -> Any:
    """RETURNS (InferenceSession): With as many threads as torch has.
    RAISES (ValueError): ONNX Runtime is missing, or cannot read the graph."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            "This pipeline's encoder is an ONNX graph, and onnxruntime is not installed "
            f'({error}). Fix: pip install "dlfa-spacy[onnx]", or use the pipeline that was '
            "optimized."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Made for inputs of one shape; ours differ from bucket to bucket.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime has an error class for each status, without a common base.
        raise ValueError(
            f"ONNX Runtime {onnxruntime.__version__} cannot read the saved graph ({error}). "
            f"{AGAIN}, with this version or an older one."
        ) from error


def onnx_message(encoder: OnnxEncoder) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is saved of the graph."""
    return {
        "graph": encoder.graph,
        "sha256": hashlib.sha256(encoder.graph).hexdigest(),
        # A list: msgpack keeps the order of a dict, but does not promise it.
        "outputs": [list(pair) for pair in encoder.outputs.items()],
        "max_length": encoder.max_length,
    }


def onnx_from_message(saved: Any, config: Any) -> OnnxEncoder:
    """Load a graph.

    saved (Dict[str, Any]): As `onnx_message` made it.
    config (PretrainedConfig): The encoder's.
    RAISES (ValueError): Damaged, or something does not fit.
    """
    fields = {"graph", "sha256", "outputs", "max_length"}
    if not isinstance(saved, dict) or not fields <= set(saved):
        raise ValueError(
            f"The saved ONNX graph lacks some of the fields {sorted(fields)}. {AGAIN}."
        )
    if hashlib.sha256(saved["graph"]).hexdigest() != saved["sha256"]:
        raise ValueError(
            "The saved ONNX graph is not the one that was written: its SHA-256 is another one. "
            f"{AGAIN}."
        )
    encoder = OnnxEncoder(saved["graph"], config, dict(saved["outputs"]), saved["max_length"])
    encoder.check()
    return encoder
