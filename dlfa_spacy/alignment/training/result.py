"""The folder that comes out: an encoder like the one that went in, and how it came about."""

import json
from pathlib import Path
from typing import Any

from ...corpora.files import replacing
from ..methods.clbt import Clbt
from ..methods.method import Method

REPORT = "alignment.json"


def save_result(method: Method, folder: Path, report: dict[str, Any]) -> None:
    """Write the aligned encoder, all or nothing.

    method (Method): After training. What it added for training's sake is not saved.
    folder (Path): A folder for `name` of `dlfa_spacy.TransformerModel.v1`; of an older result it
        takes the place.
    report (Dict[str, Any]): Settings, data, losses: `alignment.json`.
    """
    with replacing(folder) as temporary:
        temporary.mkdir(parents=True)
        method.encoder.save_pretrained(temporary)
        method.tokenizer.save_pretrained(temporary)
        if isinstance(method, Clbt):
            method.maps.save(temporary)
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / REPORT).write_text(text + "\n", encoding="utf-8")
