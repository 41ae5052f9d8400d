"""The shipped configs and the project file."""

import re
from pathlib import Path
from typing import Any

import pytest
import spacy
import yaml
from places import ROOT
from spacy.cli.init_config import fill_config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import write_docs
from dlfa_spacy.evaluation import evaluate
from dlfa_spacy.metrics.names import MAIN
from dlfa_spacy.recipes import BUNDLED, LISTENER, available, listeners, make_config

# Without the other names of two of them.
TASKS = sorted({*available("tasks")} - {"tagger", "senter"})
AGGREGATIONS = available("aggregations")
TEXTS = ["Anna lives in Berlin", "", "the \n\n Berliner", "Анна живет 在北京"]


def examples(nlp: Language) -> list[Example]:
    annotated = [
        (["Anna", "lives", "in", "Berlin"], "PROPN VERB ADP PROPN", "U-PER O O U-LOC"),
        (["the", "Berliner", "lives"], "DET NOUN VERB", "O O O"),
    ]
    return [
        Example.from_dict(
            Doc(nlp.vocab, words=words),
            {
                "words": words,
                "tags": tags.split(),
                "entities": entities.split(),
                "cats": {"long": float(len(words) > 3), "short": float(len(words) < 4)},
                "pos": tags.split(),
                "morphs": [f"Number={'Sing' if len(word) > 3 else 'Plur'}" for word in words],
                "heads": [min(1, len(words) - 1)] * len(words),
                "deps": ["ROOT" if i == 1 else "nsubj" for i in range(len(words))],
                "spans": {"sc": [(0, len(words[0]), "FIRST")]},
            },
        )
        for words, tags, entities in annotated
    ]


def annotations(nlp: Language) -> list[object]:
    return [
        (
            doc.cats,
            [(s.start, s.end, s.label_) for s in doc.spans.get("sc", ())],
            [(t.text, t.tag_, t.pos_, t.ent_type_, t.ent_iob_) for t in doc],
            [(str(t.morph), t.dep_, t.head.i, t.is_sent_start) for t in doc],
        )
        for doc in nlp.pipe(TEXTS)
    ]


# Tasks differ in what reads the vectors, not in what makes them: all aggregations with those that
# have a config of their own, two with the others.
SHIPPED = [
    (task, aggregation)
    for task in TASKS
    for aggregation in AGGREGATIONS
    if (ROOT / "configs" / f"{task}.cfg").is_file() or aggregation in ("dlfa", "scalar")
]


@pytest.mark.parametrize(("task", "aggregation"), SHIPPED)
def test_shipped_config_fills_trains_saves_and_predicts_the_same(
    task: str, aggregation: str, bert: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.cfg"
    make_config(task, aggregation, encoder=bert, steps=2).to_disk(path)
    _, filled = fill_config(path, path, silent=True)
    nlp = load_model_from_config(filled)
    # spaCy's parser learns no action that is rarer than thirty times.
    nlp.initialize(lambda: examples(nlp) * 15)
    optimizer = nlp.resume_training()
    for _ in range(2):
        losses: dict[str, float] = {}
        nlp.update(examples(nlp), sgd=optimizer, losses=losses)
    # Not at the first step: spaCy's tagger starts with weights of zero.
    assert losses["transformer"] > 0.0
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert annotations(loaded) == annotations(nlp)
    assert all(doc._.trf_data is None for doc in loaded.pipe(TEXTS)), "the Docs keep the encoder"


@pytest.mark.parametrize("task", TASKS)
def test_two_configs_of_a_task_differ_in_the_aggregation_alone(task: str) -> None:
    baseline = make_config(task, "last")
    for aggregation in AGGREGATIONS:
        other = make_config(task, aggregation)
        if aggregation != "last":
            assert other != baseline
        for block in (*listeners(other["components"]), *listeners(baseline["components"])):
            block["aggregation"] = None
        assert other == baseline
        baseline = make_config(task, "last")


WRITES = {
    "pos": "TAG",
    "ner": "ENT_IOB",
    "morphologizer": "MORPH",
    "parser": "DEP",
    "sentences": "SENT_START",
}


def test_several_tasks_share_one_encoder_and_each_writes_and_is_scored(
    bert: str, tmp_path: Path
) -> None:
    task = ",".join([*WRITES, "spancat", "textcat"])
    config = make_config(task, "scalar", encoder=bert, frozen=True)
    assert set(config["components"]) == set(config["nlp"]["pipeline"])
    assert sum(config["training"]["score_weights"].values()) == pytest.approx(1.0)
    # Spans and sentences of a text would be lost if its sentences were trained on one by one.
    assert config["corpora"]["train"]["gold_preproc"] is False
    assert config["training"]["optimizer"]["learn_rate"]["initial_rate"] == 1e-3
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples(nlp) * 15)
    losses: dict[str, float] = {}
    nlp.update(examples(nlp), sgd=nlp.resume_training(), losses=losses)
    assert set(losses) > {"tagger", "ner", "morphologizer", "parser", "senter", "spancat"}
    doc = nlp(TEXTS[0])
    assert all(doc.has_annotation(attribute) for attribute in WRITES.values())
    assert "sc" in doc.spans and doc.cats
    gold = [example.reference for example in examples(nlp)]
    gold.append(Doc.from_docs(gold))
    gold[-1].cats = gold[0].cats
    write_docs(gold, tmp_path / "de" / "test.spacy")
    scores = evaluate(nlp, tmp_path).languages[0].scores
    assert set(MAIN.values()) <= set(scores)


@pytest.mark.parametrize(
    ("task", "in_sentences"), [("pos,ner", True), ("ner,textcat", False), ("textcat,ner", False)]
)
def test_texts_that_one_task_needs_whole_are_whole_for_all(task: str, in_sentences: bool) -> None:
    config = make_config(task, "last")
    assert config["corpora"]["train"]["gold_preproc"] is in_sentences
    assert config["nlp"]["pipeline"][0] == "transformer"
    assert config["nlp"]["pipeline"][-1] == "doc_cleaner"


def test_another_name_of_a_task_makes_the_same_config() -> None:
    for name, same in {"tagger": "pos", "senter": "sentences", "ner_pos": "pos,ner"}.items():
        assert make_config(name, "last") == make_config(same, "last")


def test_configs_hold_no_absolute_path() -> None:
    for path in (ROOT / "configs").rglob("*.cfg"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'=\s*"(/|[A-Za-z]:\\)', text), path


def test_every_listener_of_a_config_gets_the_aggregation() -> None:
    config = make_config("ner_pos", "dlfa", layer=2, gate="sigmoid")
    blocks = [block["aggregation"] for block in listeners(config["components"])]
    assert [(block["layer"], block["gate"]) for block in blocks] == [(2, "sigmoid")] * 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"task": "nerr", "aggregation": "last"}, "--task nerr"),
        ({"task": "ner", "aggregation": "lst"}, "--aggregation lst"),
        ({"task": "ner", "aggregation": "attention", "layer": 3}, "--layer 3"),
        ({"task": "ner", "aggregation": "last", "pooler": "new"}, "--pooler"),
        ({"task": "pos", "aggregation": "last", "multilabel": True}, "--multilabel"),
        ({"task": "textcat", "aggregation": "last", "pooler": "old"}, "--pooler old"),
        ({"task": "textcat", "aggregation": "last", "sequence": "max"}, "--sequence max"),
    ],
)
def test_wrong_option_is_an_error_that_names_it(options: dict, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)) as error:
        make_config(**options)
    assert "Fix" in str(error.value)


def test_init_config_writes_a_config_that_trains(bert: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ner.cfg"
    arguments = ["init-config", str(out), "--task", "ner", "--aggregation", "dlfa"]
    arguments += ["--encoder", bert, "--layer", "-2", "--steps", "7", "--learn-rate", "1e-4"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    config = Config().from_disk(out)
    assert config["components"]["ner"]["model"]["tok2vec"]["aggregation"]["layer"] == -2
    assert config["training"]["max_steps"] == 7
    assert config["training"]["optimizer"]["learn_rate"]["total_steps"] == 7
    load_model_from_config(config)


def test_init_config_writes_several_that_differ_in_the_aggregation_alone(tmp_path: Path) -> None:
    arguments = ["init-config", str(tmp_path), "--task", "ner", "--aggregation", "last,dlfa"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    last, dlfa = (
        Config().from_disk(tmp_path / f"{name}.cfg", interpolate=False) for name in ("last", "dlfa")
    )
    blocks = [
        listener.pop("aggregation")
        for config in (last, dlfa)
        for listener in listeners(config["components"])
    ]
    assert [block["@layers"].split(".")[1] for block in blocks] == [
        "LastLayer",
        "DoubleLayerFusion",
    ]
    assert last == dlfa


def test_init_config_refuses_an_empty_list_of_aggregations(tmp_path: Path) -> None:
    arguments = ["init-config", str(tmp_path / "x.cfg"), "--aggregation", ""]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1 and "aggregation" in result.output
    assert not (tmp_path / "x.cfg").exists()


def test_init_config_sets_up_a_text_classifier(bert: str, tmp_path: Path) -> None:
    out = tmp_path / "textcat.cfg"
    arguments = ["init-config", str(out), "--task", "textcat", "--encoder", bert]
    arguments += ["--pooler", "none", "--sequence", "mean", "--multilabel"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    config = Config().from_disk(out)
    block = config["components"]["textcat"]
    assert block["factory"] == "textcat_multilabel"
    assert block["model"]["pooler"] is None
    assert block["model"]["sequence"] == "mean"
    assert block["model"]["exclusive_classes"] is False
    load_model_from_config(config)


def test_init_config_leaves_the_old_file_alone_on_an_error(tmp_path: Path) -> None:
    out = tmp_path / "ner.cfg"
    out.write_text("old", encoding="utf-8")
    result = CliRunner().invoke(app, ["init-config", str(out), "--aggregation", "nothing"])
    assert result.exit_code == 1
    assert out.read_text(encoding="utf-8") == "old"


def project() -> dict:
    return yaml.safe_load((ROOT / "project.yml").read_text(encoding="utf-8"))


def test_every_command_of_the_project_can_be_skipped() -> None:
    for command in project()["commands"]:
        assert command["help"] and command["deps"], command["name"]
        assert command.get("outputs") or command.get("outputs_no_cache"), command["name"]


def test_the_project_needs_no_shell() -> None:
    for command in project()["commands"]:
        for line in command["script"]:
            # weasel starts programs itself; on Windows it even keeps the quotes.
            assert line.split()[0] == "python", line
            assert not re.search(r"[*|<>;'\"]|&&|~", line), line


def test_workflows_name_existing_commands() -> None:
    names = {command["name"] for command in project()["commands"]}
    for steps in project()["workflows"].values():
        assert set(steps) <= names


def test_the_bundled_encoder_is_frozen_by_default_and_no_other(bert: str) -> None:
    frozen = ["transformer"]
    for task in TASKS:
        training = make_config(task, "last")["training"]
        assert training["frozen_components"] == training["annotating_components"] == frozen
        other = make_config(task, "last", encoder=bert)
        assert "frozen_components" not in other["training"]
        assert other["initialize"]["after_init"]["layers"] == []
        assert (
            "after_init" not in make_config(task, "last", encoder=bert, frozen=True)["initialize"]
        )
        tuned = make_config(task, "last", frozen=False, train_embeddings=True)
        assert "frozen_components" not in tuned["training"]
        assert tuned["initialize"]["after_init"]["embeddings"] is False
    bundled = str(ROOT / "assets" / "encoder")
    assert make_config("ner", "last", encoder=bundled)["training"]["frozen_components"] == frozen


def test_a_head_can_be_had_and_left_out_in_either_regime(bert: str) -> None:
    def has_head(**settings: Any) -> bool:
        made = make_config("ner", "last", encoder=bert, **settings)
        return made["components"]["ner"]["model"]["tok2vec"]["@architectures"] != LISTENER

    assert has_head(frozen=True) and not has_head(frozen=False)
    assert has_head(frozen=False, head=True) and not has_head(frozen=True, head=False)


def test_the_encoder_has_a_rate_of_its_own(bert: str) -> None:
    made = make_config("ner", "last", encoder=bert, learn_rate=1e-3, encoder_rate=5e-5)
    callback = made["initialize"]["after_init"]
    assert callback["lr_scale"] == pytest.approx(0.05)
    assert made["training"]["optimizer"]["learn_rate"]["initial_rate"] == 1e-3
    with pytest.raises(ValueError, match=r"--encoder-rate 5e-05 goes with.*--no-frozen"):
        make_config("ner", "last", encoder_rate=5e-5)


def test_embeddings_cannot_train_in_a_frozen_encoder() -> None:
    with pytest.raises(ValueError, match=r"--train-embeddings.*--no-frozen"):
        make_config("ner", "last", train_embeddings=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--frozen"], {"embeddings", "encoder"}),
        ([], {"embeddings"}),
        (["--no-frozen", "--train-embeddings"], set()),
    ],
)
def test_what_init_config_freezes_stays_also_in_a_training_that_goes_on(
    bert: str, tmp_path: Path, options: list[str], kept: set[str]
) -> None:
    from spacy.cli.train import train
    from spacy.tokens import DocBin

    nlp = spacy.blank("xx")
    DocBin(docs=[eg.reference for eg in examples(nlp)]).to_disk(tmp_path / "corpus.spacy")
    path = tmp_path / "ner.cfg"
    arguments = ["init-config", str(path), "--encoder", bert, "--steps", "2", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    fill_config(path, path, silent=True)
    overrides = {f"paths.{part}": str(tmp_path / "corpus.spacy") for part in ("train", "dev")}
    train(path, tmp_path / "first", overrides={**overrides, "training.eval_frequency": 2})
    again = Config().from_disk(path, interpolate=False)
    for name in ("transformer", "ner"):
        again["components"][name] = {"source": str(tmp_path / "first" / "model-last")}
    again.to_disk(path)
    train(path, tmp_path / "second", overrides={**overrides, "training.eval_frequency": 2})
    before = spacy.load(tmp_path / "first" / "model-last")
    after = spacy.load(tmp_path / "second" / "model-last")
    states = [nlp.get_pipe("transformer").model.transformer.state_dict() for nlp in (before, after)]
    heads = [nlp.get_pipe("ner").to_bytes() for nlp in (before, after)]
    assert heads[0] != heads[1]
    same = {name for name, tensor in states[0].items() if tensor.equal(states[1][name])}
    rows = "embeddings.word_embeddings.weight"
    blocks = {name for name in states[0] if name.startswith("encoder.")}
    assert (rows in same) == ("embeddings" in kept)
    assert (blocks <= same) == ("encoder" in kept)


@pytest.mark.parametrize(("frozen", "pooler"), [(True, None), (False, "new")])
def test_a_classifier_asks_the_bundled_encoder_for_no_pooler(
    frozen: bool, pooler: str | None
) -> None:
    own = make_config("textcat", "last", encoder=BUNDLED, frozen=frozen)
    assert own["components"]["textcat"]["model"]["pooler"] == pooler
    other = make_config("textcat", "last", encoder="bert-base-multilingual-cased", frozen=False)
    assert other["components"]["textcat"]["model"]["pooler"] == "pretrained"
