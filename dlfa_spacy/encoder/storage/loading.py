"""Finding an encoder: a folder, or a name on the Hugging Face Hub."""

import os
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from spacy_transformers.data_classes import HFObjects
from thinc.api import get_torch_default_device
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PretrainedConfig

from ...files.near import did_you_mean
from ..pooler import drop_pooler
from .checks import check_architecture, check_config, check_weights
from .errors import EncoderError
from .huggingface import from_pretrained, settled
from .int4_folder import is_int4, load_int4

KEY = "[components.transformer.model] name"
# How long the Hub may take to answer.
HUB_SECONDS = 10
# Where projects keep encoders; nobody on the Hub is called that.
PROJECT_FOLDERS = ("assets", "encoders", "models", "packages", "training")


def encoder_location(name: str, key: str = KEY) -> str:
    """Tell a folder from a name on the Hub, and refuse a folder that is not there.

    name (str): As in the config. A relative path counts from the working directory.
    key (str): Where the name was given: a key of the config, or an option of a command.
    RETURNS (str): What `from_pretrained` takes.
    RAISES (EncoderError): `name` is a path and nothing is there. transformers would look for a
        repository of that name on the Hub instead.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise EncoderError(
                f"{_setting(key, name)}: the folder has no config.json, so it is not an encoder. "
                "Expected a folder written by save_pretrained(). Fix: point it at such a folder."
            )
        return str(path)
    is_hub_name = (
        name.count("/") <= 1
        and "\\" not in name
        and not name.startswith((".", "~", "/"))
        and not path.is_absolute()
        # "assets/encoder" reads like a repository, but assets/ is right here, or would be if the
        # command had been run from the project's folder.
        and not ("/" in name and (path.parent.is_dir() or path.parts[0] in PROJECT_FOLDERS))
    )
    if not is_hub_name:
        raise EncoderError(
            f"{_setting(key, name)}: there is no such folder (looked in {Path.cwd().name}/, the "
            "working directory). Expected a folder with config.json, tokenizer and weights, or a "
            f"name on the Hugging Face Hub.{did_you_mean(path)} Fix: correct the path; or run in "
            "the top folder of a checkout of dlfa_spacy, which has assets/encoder; or take the "
            'encoder out of an installed pipeline, "dlfa export-encoder xx_dlfa_ner encoder", and '
            "give it: "
            f"{_setting(key, 'encoder')}."
        )
    return name


def _setting(key: str, value: str) -> str:
    return f"{key} {value}" if key.startswith("--") else f'{key} = "{value}"'


def read_config(name: str, **settings: Any) -> PretrainedConfig | None:
    """RETURNS (Optional[PretrainedConfig]): The encoder's configuration, if it can be had without
    the network."""
    try:
        source = encoder_location(name)
        return from_pretrained(AutoConfig, source, local_files_only=True, **settings)
    except (OSError, ValueError):
        return None


def load_tokenizer(name: str) -> Any:
    """
    name (str): Folder or Hub name of an encoder.
    RETURNS (PreTrainedTokenizerBase): Its tokenizer, without the encoder.
    RAISES (ValueError): Nothing there, or it cannot be read.
    """
    source = encoder_location(name)
    _ask_hub(name, source, {})
    try:
        return from_pretrained(AutoTokenizer, source)
    except OSError as error:
        raise ValueError(
            f'The tokenizer of "{name}" could not be loaded: {error} Expected a folder written by '
            "save_pretrained(), or the name of an encoder on the Hugging Face Hub. Fix: correct "
            "the name."
        ) from error


def _ask_hub(name: str, source: str, settings: dict[str, Any]) -> None:
    """Ask once for an encoder that is neither here nor in the cache. transformers would ask twelve
    times, for most of a minute, before it says that the network is off.

    RAISES (EncoderError): The Hub does not answer.
    """
    if constants.HF_HUB_OFFLINE or Path(source).is_dir():
        return
    if read_config(source, **settings) is not None:
        return
    try:
        HfApi().model_info(source, timeout=HUB_SECONDS)
    except (HfHubHTTPError, ValueError):
        # The Hub answers. What it says to the name, transformers words better.
        return
    except OSError as error:
        raise EncoderError(
            f'{KEY} = "{name}": there is no such folder (looked in {Path.cwd().name}/, the working '
            "directory), the cache has no encoder of that name, and the Hugging Face Hub does not "
            f"answer ({type(error).__name__}). Expected a folder with config.json, tokenizer and "
            "weights, or a name on the Hub. Fix: correct the name, or connect to the network."
        ) from error


def load_encoder(
    name: str, tokenizer_config: dict[str, Any], transformer_config: dict[str, Any]
) -> HFObjects:
    """Load tokenizer and encoder.

    name (str): Folder or Hub name.
    tokenizer_config (Dict[str, Any]): Settings for the tokenizer.
    transformer_config (Dict[str, Any]): Settings for the encoder's configuration.
    RETURNS (HFObjects): Both, the encoder in fp32 on the current device.
    RAISES (EncoderError): Nothing there, weights missing or not fitting.
    """
    source = encoder_location(name)
    _ask_hub(name, source, transformer_config)
    try:
        tokenizer = from_pretrained(AutoTokenizer, source, **tokenizer_config)
        config = from_pretrained(AutoConfig, source, **transformer_config)
        check_config(config)
        config.return_dict = True
        # Half-precision weights are for the disk: training in them does not converge.
        config.torch_dtype = torch.float32
        if is_int4(config):
            transformer = load_int4(source, config, **settled(config, transformer_config))
            report = None
        else:
            transformer, report = from_pretrained(
                AutoModel,
                source,
                config=config,
                torch_dtype=torch.float32,
                output_loading_info=True,
                **settled(config, transformer_config),
            )
        check_architecture(transformer)
        check_weights(transformer)
    except EncoderError:
        raise
    except Exception as error:
        # Whatever a damaged file raises (safetensors has its own error type), one message.
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise EncoderError(
            f'{KEY} = "{name}" could not be loaded{offline}: {type(error).__name__}: {error} '
            "Expected a folder written by save_pretrained(), or the name of an encoder on the "
            "Hugging Face Hub. Fix: correct the name, repair the files, or download the encoder."
        ) from error
    if report is not None:
        _check_loaded(name, report)
        if any("pooler" in key for key in report["missing_keys"]):
            drop_pooler(transformer)
    transformer.to(get_torch_default_device())
    return HFObjects(tokenizer, transformer, None, tokenizer_config, transformer_config)


def _check_loaded(name: str, report: dict[str, Any]) -> None:
    # A pooler that the checkpoint does not have is ordinary (see `drop_pooler`).
    missing = [key for key in report["missing_keys"] if "pooler" not in key]
    wrong = [str(key) for key in report["mismatched_keys"]]
    if missing or wrong:
        raise EncoderError(
            f'{KEY} = "{name}": the weights do not fit config.json: missing {missing[:5]}, of '
            f"another shape {wrong[:5]}. transformers would fill them with random numbers. "
            "Fix: use a complete checkpoint."
        )


def max_wordpieces(transformer: nn.Module, tokenizer: Any) -> int:
    """RETURNS (int): Wordpieces the encoder reads at once, special tokens included."""
    config = transformer.config
    limits = [int(getattr(config, "max_position_embeddings", 0) or 10**9)]
    for name, module in transformer.named_modules():
        # RoBERTa counts positions from padding_idx + 1, so two of its 514 cannot be used.
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            if module.padding_idx is not None:
                limits.append(module.num_embeddings - module.padding_idx - 1)
    limits.append(int(min(tokenizer.model_max_length, 10**9)))
    found = min(limits)
    # An encoder without positions (relative ones) still is not meant for endless input.
    return found if 0 < found < 10**9 else 512
