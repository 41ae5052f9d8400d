"""The folder of a pipeline on the Hub: its wheel, which pip installs from there, and its files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData, hf_hub_url
from spacy.language import Language

from ..evaluation.languages import base
from ..evaluation.model_info import encoder_name
from ..files.writing import write_text
from ..pipeline.packaging import build_package, make_card, read_scores
from ..report.scored_runs import read_run
from .card import encoder_keys, license_keys, with_head, with_section
from .repository import Repository
from .scores import languages, results_of_meta, results_of_run

CARD = "README.md"
# What lies beside a pipeline that was packaged before, and goes on with it.
OWN_FILES = (CARD, "LICENSE", "LICENSES_SOURCES")
# By what a component is made of; the first that a pipeline has is what the Hub's page tries.
TASKS = {
    "token-classification": ("ner", "tagger", "morphologizer", "parser", "senter", "spancat"),
    "text-classification": ("textcat", "textcat_multilabel"),
    "sentence-similarity": ("dlfa_sentence_vectors",),
}
# Sentences to try on the Hub's page.
WIDGET = {
    "de": "Angela Merkel wohnt in Berlin.",
    "fr": "Le train de Paris à Lyon était encore en retard.",
    "ru": "Мария Лопес переехала из Мадрида в Лондон в марте.",
    "ar": "تأخر القطار من باريس إلى برلين مرة أخرى.",
    "hi": "नरेन्द्र मोदी ने दिल्ली में भाषण दिया।",
    "zh": "昨天，他从北京飞到了伦敦。",
}


def write_pipeline(
    nlp: Language,
    folder: Path,
    repository: Repository,
    *,
    version: str = "0.1.0",
    scores: Path | None = None,
) -> str:
    """Write what is pushed. A card that lies beside the pipeline is kept, and gets a head and a
    section on how to install it.

    nlp (Language): The pipeline, with its license in its meta.
    folder (Path): Where; it must not be there.
    repository (Repository): Where it will lie. Its name is that of the package.
    version (str): Of the package.
    scores (Optional[Path]): What `dlfa evaluate --out` has written.
    RETURNS (str): Where pip finds the wheel.
    RAISES (ValueError): No package can be called so, or there are no scores.
    """
    name = _package_name(nlp, repository)
    table = None if scores is None else read_scores(scores)
    measured = (
        results_of_meta(nlp.meta.get("performance", {}))
        if scores is None
        else results_of_run(read_run(scores / "scores.json"))
    )
    keys, sentence = encoder_keys(encoder_name(nlp))
    texts = _own_files(nlp)
    if CARD not in texts:
        texts[CARD] = make_card(nlp, name, table, encoder=sentence)
    elif table is not None and "\n## Scores\n" not in texts[CARD]:
        texts[CARD] += f"\n{table}\n"
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary)
        wheel = build_package(nlp, built, name=name, version=version, files=texts)
        package = f"{nlp.meta['lang']}_{name}"
        shutil.copytree(wheel.parents[1] / package / f"{package}-{version}", folder)
        shutil.copyfile(wheel, folder / wheel.name)
    # The snippet on the Hub's pages asks for this name, which newer versions of pip refuse. The Hub
    # keeps equal files once.
    shutil.copyfile(folder / wheel.name, folder / f"{package}-any-py3-none-any.whl")
    url = hf_hub_url(repository.name, wheel.name, revision=repository.revision)
    card = with_section(texts[CARD], f"## Install\n\n```bash\npip install {url}\n```")
    head = _head(nlp, package, keys, measured)
    write_text(folder / CARD, with_head(card, head))
    return url


def _package_name(nlp: Language, repository: Repository) -> str:
    """RETURNS (str): The name of the package, without the language."""
    start = f"{nlp.meta['lang']}_"
    name = repository.name.rpartition("/")[2]
    if not name.startswith(start):
        raise ValueError(
            f"--repo {repository.name}: expected a repository that is called as the package will "
            f"be, {start} and a name, by which spacy.load finds it. Fix: --repo "
            f"{repository.name.rpartition('/')[0]}/{start}{name.lower().replace('-', '_')}."
        )
    return name.removeprefix(start)


def _own_files(nlp: Language) -> dict[str, str]:
    paths = [nlp.path / name for name in OWN_FILES] if nlp.path is not None else []
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def _head(
    nlp: Language, package: str, encoder: dict[str, str], measured: list[EvalResult]
) -> dict[str, Any]:
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    tasks = [task for task, makers in TASKS.items() if factories.intersection(makers)]
    codes = languages(measured)
    lang = str(nlp.meta["lang"])
    widget = [
        {"text": text, "example_title": code}
        for code, text in WIDGET.items()
        if code in codes or not codes
    ]
    data = ModelCardData(
        language=codes or ("multilingual" if lang == "xx" else base(lang)),
        library_name="spacy",
        tags=["spacy", *tasks, "cross-lingual"],
        pipeline_tag=tasks[0] if tasks else None,
        model_name=package if measured else None,
        eval_results=measured or None,
        widget=widget if tasks else None,
    )
    return {**license_keys(str(nlp.meta.get("license") or "")), **encoder, **data.to_dict()}
