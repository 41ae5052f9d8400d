"""Topics learned from a monolingual teacher: train it, distil it, score both in every language.

python docs/results/distilled.py CORPUS TEACHER RAW STORE OUT docs/results/distilled.csv

CORPUS is the folder of the task (`<lang>/train.spacy`, ...), TEACHER an English encoder's folder,
RAW a file of English sentences without annotation, STORE a folder for the layers of the frozen
student. The student is the bundled encoder, frozen, last layer. Rows: texts ("gold": those
annotated; "both": with RAW), labels, seed, language, accuracy; the teacher's own are "teacher".
"""

import sys
from pathlib import Path
from typing import Any

import pandas
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from thinc.api import Config

from dlfa_spacy.corpora.loading import read_docs
from dlfa_spacy.evaluation.evaluate import evaluate
from dlfa_spacy.files.writing import write_text
from dlfa_spacy.pipeline.sources import open_pipeline
from dlfa_spacy.pipeline.training import train
from dlfa_spacy.recipes import make_config
from dlfa_spacy.transfer.distill.distill import DistillSettings, distill
from dlfa_spacy.transfer.distill.labelled_texts import Texts

BATCH = 32
EPOCHS = 20
SEEDS = (0, 1, 2)


def config(corpus: Path, n_texts: int, seed: int, **settings: Any) -> Config:
    """RETURNS (Config): Topics, trained for EPOCHS passes over so many texts."""
    per_epoch = -(-n_texts // BATCH)
    made = make_config("textcat", "last", steps=EPOCHS * per_epoch, **settings)
    made["paths"] = {name: str(corpus / "en" / f"{name}.spacy") for name in ("train", "dev")}
    made["system"]["seed"] = seed
    made["training"].update(eval_frequency=per_epoch, patience=0)
    made["training"]["batcher"]["size"] = BATCH
    made["training"]["score_weights"] = {"cats_score": 0.0, "cats_micro_f": 1.0}
    for reader in made["corpora"].values():
        reader["@readers"] = "dlfa_spacy.StreamingCorpus.v1"
    return made


def scores(nlp: Language, corpus: Path, languages: tuple[str, ...] = ()) -> dict[str, float]:
    """RETURNS (Dict[str, float]): Language -> accuracy on test."""
    found = evaluate(nlp, corpus, languages=languages)
    return {one.language: one.scores["textcat_accuracy"] for one in found.languages}


def main(corpus: Path, encoder: str, raw: Path, store: Path, out: Path, table: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    gold = corpus / "en" / "train.spacy"
    vocab = spacy.blank("xx").vocab
    docs = list(read_docs(gold, vocab=vocab))
    lines = [line.strip() for line in raw.read_text(encoding="utf-8").splitlines() if line.strip()]
    blank = spacy.blank("xx")
    both = DocBin(store_user_data=True, docs=[*docs, *map(blank.make_doc, lines)])
    both.to_disk(out / "both.spacy")
    rows: list[dict[str, Any]] = []

    def add(texts: str, labels: str, seed: int, found: dict[str, float]) -> None:
        for language, value in found.items():
            row = {"texts": texts, "labels": labels, "seed": seed, "language": language}
            rows.append({**row, "accuracy": round(value, 6)})
        write_text(table, pandas.DataFrame(rows).to_csv(index=False))
        mean = sum(v for k, v in found.items() if k != "en") / max(len(found) - 1, 1)
        print(f"{texts} {labels} {seed}: en {found['en']:.3f}, others {mean:.3f}", flush=True)

    made = config(
        corpus, len(docs), 0, encoder=encoder, frozen=False, sequence="mean", pooler="none",
        learn_rate=1e-3, encoder_rate=5e-5,
    )  # fmt: skip
    teacher = out / "teacher"
    if not (teacher / "meta.json").is_file():
        train(made, out / "checkpoint", on_step=lambda step, steps: None).nlp.to_disk(teacher)
    add("gold", "teacher", 0, scores(open_pipeline(str(teacher)), corpus, ("en",)))
    sizes = {"gold": len(docs), "both": len(docs) + len(lines)}
    for seed in SEEDS:
        for texts, path in (("gold", gold), ("both", out / "both.spacy")):
            made = config(corpus, sizes[texts], seed)
            made["components"]["transformer"]["cache"] = str(store)
            if texts == "gold":
                plain = train(made, out / "checkpoint", on_step=lambda step, steps: None)
                add(texts, "gold", seed, scores(plain.nlp, corpus))
            made.to_disk(out / "student.cfg")
            for labels in ("soft", "smoothed", "hard"):
                folder = out / f"{texts}-{labels}-{seed}"
                done = distill(
                    str(teacher), out / "student.cfg", folder, Texts(path), DistillSettings(labels)
                )
                add(texts, labels, seed, scores(done.trained.nlp, corpus))


if __name__ == "__main__":
    first, encoder, *others = sys.argv[1:]
    main(Path(first), encoder, *map(Path, others))
