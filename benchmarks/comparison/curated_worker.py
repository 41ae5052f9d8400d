"""spacy-curated-transformers in its own environment. Run by path, with that environment's Python:
it imports nothing of this package.

Reads lines of JSON and answers each with one: first the setup ({"folder", "words", "tags",
"threads"}), then {"do": "predict"}, {"do": "train"} or {"do": "bytes"}.
"""

import json
import sys
import time
from typing import Any

import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

LABELS = ("PER", "ORG", "LOC")


def build(folder: str, head: dict[str, Any], name: str, labels: list[str]) -> Any:
    """A transformer that hands out all layers, and a head that mixes them by learned weights."""
    with open(f"{folder}/config.json", encoding="utf-8") as file_:
        encoder = json.load(file_)
    package = "spacy-curated-transformers"
    width, depth = encoder["hidden_size"], encoder["num_hidden_layers"]
    tok2vec = {
        "@architectures": f"{package}.ScalarWeightingListener.v1",
        "width": width,
        "pooling": {"@layers": "reduce_mean.v1"},
        "weighting": {"@architectures": f"{package}.ScalarWeight.v1", "num_layers": depth},
    }
    model = {
        "@architectures": f"{package}.BertTransformer.v1",
        "vocab_size": encoder["vocab_size"],
        "hidden_width": width,
        "num_hidden_layers": depth,
        "num_attention_heads": encoder["num_attention_heads"],
        "intermediate_width": encoder["intermediate_size"],
        "piece_encoder": {"@architectures": f"{package}.BertWordpieceEncoder.v1"},
        "with_spans": {"@architectures": f"{package}.WithStridedSpans.v1"},
    }
    loaders = {
        "encoder_loader": {
            "@model_loaders": f"{package}.HFTransformerEncoderLoader.v1",
            "name": folder,
        },
        "piecer_loader": {"@model_loaders": f"{package}.HFPieceEncoderLoader.v1", "name": folder},
    }
    config = Config(
        {
            "nlp": {"lang": "xx", "pipeline": ["transformer", name]},
            "components": {
                "transformer": {
                    "factory": "curated_transformer",
                    "model": model,
                    "all_layer_outputs": True,
                },
                name: {"factory": name, "model": {**head, "tok2vec": tok2vec}},
            },
            "initialize": {"components": {"transformer": loaders}},
        }
    )
    spacy.util.fix_random_seed(0)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    for label in labels:
        nlp.get_pipe(name).add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    return nlp


def array_bytes(doc: Doc) -> int:
    """Bytes of the arrays that all layers of a Doc keep alive."""
    seen: dict[int, int] = {}
    for layer in doc._.trf_data.all_outputs:
        for array in (layer.dataXd, layer.lengths):
            while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
                array = array.base
            seen[id(array)] = int(array.nbytes)
    return sum(seen.values())


def main() -> None:
    setup = json.loads(sys.stdin.readline())
    torch.set_num_threads(setup["threads"])
    words, tags = setup["words"], setup["tags"]
    pipelines: dict[str, Any] = {}
    optimizer: Any = None

    def pipeline(name: str) -> Any:
        if name not in pipelines:
            labels = list(LABELS) if name == "ner" else setup["tag_labels"]
            pipelines[name] = build(setup["folder"], setup["heads"][name], name, labels)
        return pipelines[name]

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        task = json.loads(line)["do"]
        nlp = pipeline("tagger" if task == "train" else "ner")
        docs = [Doc(nlp.vocab, words=row) for row in words]
        answer: dict[str, Any]
        if task == "train":
            examples = [
                Example(doc, Doc(nlp.vocab, words=list(row), tags=own))
                for doc, row, own in zip(docs, words, tags, strict=True)
            ]
            optimizer = optimizer or nlp.create_optimizer()
            start = time.perf_counter()
            nlp.update(examples, sgd=optimizer)
            answer = {"seconds": time.perf_counter() - start}
        elif task == "predict":
            start = time.perf_counter()
            docs = [Doc(nlp.vocab, words=row) for row in words]
            for _ in nlp.pipe(docs, batch_size=256):
                pass
            answer = {"seconds": time.perf_counter() - start}
        else:
            docs = list(nlp.pipe(docs, batch_size=256))
            answer = {"bytes": sum(array_bytes(doc) for doc in docs)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
