"""The folder that comes out: an encoder like the one that went in, and how it came about."""

import json
from pathlib import Path
from typing import Any

from ...encoder.storage.int4_folder import save_encoder
from ...files.writing import replacing
from .method import Method

REPORT = "alignment.json"


def save_result(method: Method, folder: Path, report: dict[str, Any]) -> None:
    """Write the aligned encoder, all or nothing. What is in four bits and did not train stays so.

    method (Method): After training. What it added for training's sake is not saved.
    folder (Path): A folder for `name` of `dlfa_spacy.TransformerModel.v1`; of an older result it
        takes the place.
    report (Dict[str, Any]): Settings, data, losses: `alignment.json`.
    """
    with replacing(folder) as temporary:
        save_encoder(method.encoder, method.tokenizer, temporary)
        method.save_extra(temporary)
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / REPORT).write_text(text + "\n", encoding="utf-8")
