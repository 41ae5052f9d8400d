"""The way into transformers: nothing that comes with an encoder is ever run."""

from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig

from ...threads import Lock
from .errors import EncoderError

TRUST = "trust_remote_code"
# transformers switches off how torch fills weights while it builds a model, for every thread, and
# two at once never switch it on again.
BUILDING = Lock()
# Ways to compute attention that are installed with transformers. It takes any other name for a
# repository on the Hub with compiled code.
ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
OWN_CODE = (
    "{what} is of an architecture that transformers {version} does not know, and wants to run "
    "Python files that come with it (auto_map). Expected an architecture of transformers: "
    "nothing that comes with an encoder or a pipeline is run. Fix: choose an encoder with "
    '"model_type" of transformers. Or, if you trust those files, load it on purpose in a session '
    "of your own (transformers.AutoModel.from_pretrained(..., trust_remote_code=True)), put its "
    "weights into a model of transformers that computes the same, and save_pretrained() that and "
    "the tokenizer to a folder of its own."
)


def from_pretrained(kind: Any, source: str, **settings: Any) -> Any:
    """Call `kind.from_pretrained`.

    kind (type): One of transformers' Auto classes.
    source (str): Folder, or name on the Hub.
    settings: As transformers takes them.
    RETURNS: What it returns.
    RAISES (EncoderError): The encoder wants to run code of its own, or a setting would let it.
    """
    check_settings(settings)
    try:
        with BUILDING:
            return kind.from_pretrained(source, **settings, trust_remote_code=False)
    except ValueError as error:
        raise _explained(error, f'"{source}"') from error


def from_config(kind: Any, config: PretrainedConfig, **settings: Any) -> Any:
    """Call `kind.from_config`, as `from_pretrained` does."""
    attention = getattr(config, "_attn_implementation", None)
    check_settings({"attn_implementation": attention, **settings})
    try:
        with BUILDING:
            return kind.from_config(config, **settings, trust_remote_code=False)
    except ValueError as error:
        raise _explained(error, f"The encoder ({config.model_type})") from error


def settled(config: PretrainedConfig, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settle what an encoder would choose by the packages that it finds, so that it computes the
    same everywhere. ModernBERT compiles itself where there is a Triton, and takes flash attention,
    in half precision and without the shape of a batch, where that is installed.

    config (PretrainedConfig): Changed in place, unless it says what it wants.
    asked (Mapping[str, Any]): The user's settings, which win.
    RETURNS (Dict[str, Any]): Settings for `AutoModel`.
    """
    if getattr(config, "reference_compile", False) is None:
        config.reference_compile = False
    attention = asked.get("attn_implementation")
    if attention is None and config.model_type == "modernbert":
        attention = "sdpa"
    return {} if attention is None else {"attn_implementation": attention}


def check_settings(settings: Mapping[str, Any]) -> None:
    """RAISES (EncoderError): A setting that would let transformers run code from elsewhere."""
    if TRUST in settings:
        raise EncoderError(
            f"{TRUST} = {str(settings[TRUST]).lower()} "
            "([components.transformer.model] tokenizer_config, transformer_config): nothing that "
            "comes with an encoder is run. Expected no such setting. Fix: remove it."
        )
    attention = settings.get("attn_implementation")
    if attention is not None and attention not in ATTENTION:
        raise EncoderError(
            f'attn_implementation = "{attention}" ([components.transformer.model] '
            f"transformer_config): expected one of {', '.join(ATTENTION)}. Any other name is a "
            'repository of compiled code. Fix: attn_implementation = "sdpa".'
        )


def _explained(error: ValueError, what: str) -> ValueError:
    if TRUST not in str(error):
        return error
    # Imported here: only the message needs it.
    from transformers import __version__

    return EncoderError(OWN_CODE.format(what=what, version=__version__))
