"""The error of an encoder that cannot be had."""

from typing import Any

from thinc.api import ConfigValidationError


class EncoderError(ConfigValidationError):
    """There is no encoder, or it cannot be loaded. A `ValueError`, of the kind that `spacy train`
    prints as a message, without a traceback.

    desc (Optional[str]): The message.
    settings (Any): Those of `ConfigValidationError`, which spaCy sets.
    """

    def __init__(self, desc: str | None = None, **settings: Any):
        super().__init__(desc=desc, **settings)
        # The message alone, without a heading; and what an unpickled copy is made from.
        self.args = (desc,)
