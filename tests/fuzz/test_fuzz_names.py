"""Plans, language codes and an encoder's sizes: what is accepted is harmless, the rest is named."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fuzzing import damaged, fuzz, json_values, own_errors
from hypothesis import given
from hypothesis import strategies as st

from dlfa_spacy.corpora import plan
from dlfa_spacy.encoder.storage.checks import check_component_config, check_config
from dlfa_spacy.runs.plan import Plan, make_plan, plan_text, read_plan

TEXT = """# A plan
[sweep]
corpus = "corpus"
tasks = ["pos", "ner"]
methods = ["last", "dlfa:2"]
seeds = [0, 1]
languages = ["de"]
warmup = 0.1
frozen = true

[sweep.encoders]
tiny = "assets/encoder"

[sweep.epochs]
pos = 1
ner = 2

[sweep.overrides]
training.dropout = 0.2
"""
GOOD: dict[str, Any] = {
    "corpus": "corpus", "tasks": ["pos"], "methods": ["last"], "encoders": {"tiny": "a/b"}
}  # fmt: skip
KEYS = sorted(vars(Plan(**GOOD)))


def harmless(made: Plan, folder: Path) -> None:
    """An accepted plan comes back from its file, and no name of it leaves the sweep's folder."""
    path = folder / "again.cfg"
    path.write_text(plan_text(made), encoding="utf-8")
    assert read_plan(path) == made
    root = Path("/sweep")
    for name in [*made.tasks, *made.encoders, *made.languages, made.source]:
        assert (root / name).parent == root and name not in (".", "..")
    assert made.batch_size >= 1 and all(seed >= 0 for seed in made.seeds)
    for task in made.tasks:
        assert made.of("epochs", task) >= 1 and 0 <= made.of("warmup", task) <= 1


def test_plans_of_damaged_text(tmp_path: Path) -> None:
    path = tmp_path / "plan.cfg"

    @fuzz
    @given(damaged(TEXT.encode()))
    def run(content: bytes) -> None:
        path.write_bytes(content)
        with own_errors(path):
            harmless(read_plan(path), tmp_path)

    run()


def test_plans_of_any_values(tmp_path: Path) -> None:
    path = tmp_path / "plan.cfg"

    @fuzz
    @given(st.dictionaries(st.sampled_from(KEYS), json_values, min_size=1, max_size=2))
    def run(values: dict[str, Any]) -> None:
        with own_errors("somewhere: [sweep]"):
            harmless(make_plan({**GOOD, **values}, where="somewhere"), tmp_path)
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in {**GOOD, **values}.items()]
        path.write_text("[sweep]\n" + "".join(lines), encoding="utf-8")
        with own_errors(path):
            harmless(read_plan(path), tmp_path)

    run()


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
CODES = ANY_TEXT | st.text("ab./\\-_ \n", max_size=8) | st.sampled_from(["de", "zh-hans", "../x"])


def test_languages_that_files_and_options_name(tmp_path: Path) -> None:
    path = tmp_path / "My Corpus" / "in.jsonl"
    path.parent.mkdir()
    out = tmp_path / "out"

    @fuzz
    @given(CODES.filter(bool), st.booleans())
    def run(language: str, option: bool) -> None:
        text = {"text": "a", "label": "b"}
        texts = [text] if option else [{**text, "language": name} for name in (language, "en")]
        path.write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
        with own_errors(path):
            for job in plan(path, out, language=language if option else None):
                assert job.output.resolve().is_relative_to(out.resolve())

    run()


SIZES = [
    "num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "vocab_size",
    "max_position_embeddings", "type_vocab_size",
]  # fmt: skip


@fuzz
@given(st.dictionaries(st.sampled_from(SIZES), json_values | st.integers(1, 10**8)))
def test_sizes_of_an_encoder(sizes: dict[str, Any]) -> None:
    with own_errors("config.json"):
        check_config(SimpleNamespace(**sizes))  # type: ignore[arg-type]
        numbers = [size for size in sizes.values() if size is not None]
        assert all(isinstance(size, int) and 0 <= size <= 10**7 for size in numbers)


@pytest.mark.slow
def test_settings_of_a_saved_component(tmp_path: Path) -> None:
    path = tmp_path / "cfg"

    @fuzz
    @given(damaged(b'{"max_batch_items": 4096}', b'{"max_batch_items": null}'))
    def run(content: bytes) -> None:
        path.write_bytes(content)
        with own_errors(path):
            assert isinstance(check_component_config(path), dict)

    run()
