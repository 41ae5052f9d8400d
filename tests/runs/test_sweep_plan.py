"""What a sweep runs, before anything runs: methods, plans, settings, the table."""

import inspect
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from spacy import registry
from sweeps import make_corpus, make_plan, write_docs

from dlfa_spacy.corpora.docbin import count_docs
from dlfa_spacy.recipes import listeners, make_config
from dlfa_spacy.runs import COLUMNS, read_table
from dlfa_spacy.runs.methods import expand_methods, make_method, upper_third
from dlfa_spacy.runs.plan import Plan, plan_text, read_plan
from dlfa_spacy.runs.prepare import base_of, make_runs
from dlfa_spacy.runs.progress import Estimate
from dlfa_spacy.runs.run import run_config
from dlfa_spacy.runs.settings import RunSettings
from dlfa_spacy.runs.table import ResultsTable


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


# Methods


@pytest.mark.parametrize(
    ("name", "full", "aggregator", "layer", "gate", "norm"),
    [
        ("last", "last", "last", None, "", ""),
        ("mean_upper", "mean_upper", "mean_upper", None, "", ""),
        ("layer:8", "layer:8", "layer", 8, "", ""),
        ("layer:-1", "layer:12", "layer", 12, "", ""),
        ("scalar", "scalar", "scalar", None, "", ""),
        ("attention", "attention", "attention", None, "", ""),
        ("dlfa", "dlfa:10", "dlfa", 10, "product", "batch"),
        ("dlfa:-3", "dlfa:10", "dlfa", 10, "product", "batch"),
        ("dlfa:0", "dlfa:0", "dlfa", 0, "product", "batch"),
        ("dlfa_sigmoid:4", "dlfa_sigmoid:4", "dlfa", 4, "sigmoid", "batch"),
        ("dlfa_layer_norm:4", "dlfa_layer_norm:4", "dlfa", 4, "product", "layer"),
        ("dlfa_sigmoid_no_norm:4", "dlfa_sigmoid_no_norm:4", "dlfa", 4, "sigmoid", "none"),
        ("control", "control", "control", None, "product", "batch"),
        ("control_sigmoid", "control_sigmoid", "control", None, "sigmoid", "batch"),
        ("reinit_top", "reinit_top:4", "reinit_top", 9, "", ""),
        ("reinit_top:1", "reinit_top:1", "reinit_top", 12, "", ""),
        ("reinit:3-4", "reinit:3-4", "reinit:3-4", None, "", ""),
        ("reinit:12", "reinit:12", "reinit:12", None, "", ""),
        ("reinit:12-12", "reinit:12", "reinit:12", None, "", ""),
    ],
)
def test_a_method_has_its_columns(
    name: str, full: str, aggregator: str, layer: int | None, gate: str, norm: str
) -> None:
    method = make_method(name, 12)
    found = (method.name, method.aggregator, method.layer, method.gate, method.norm)
    assert found == (full, aggregator, layer, gate, norm)
    if gate:
        assert (method.block["gate"], method.block["norm"]) == (gate, norm)
        assert method.block["layer"] == ("control" if aggregator == "control" else layer)


@pytest.mark.parametrize(
    "name",
    """first dlfa:12 dlfa:x dlfa:-14 control:3 last:2 reinit_top:0 dlfa_tanh
    layer layer:13 layer:-14
    reinit reinit: reinit:0-1 reinit:2-1 reinit:12-13 reinit:1-2-3 reinit:-2""".split(),
)
def test_a_method_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name)) as error:
        make_method(name, 12)
    assert "Fix:" in str(error.value)


def test_all_layers_are_all_lower_ones_and_none_comes_twice() -> None:
    names = [method.name for method in expand_methods(["dlfa", "dlfa:all", "last", "last"], 6)]
    assert names == ["dlfa:4", "dlfa:1", "dlfa:2", "dlfa:3", "dlfa:5", "last"]


def test_every_layer_can_be_read_alone() -> None:
    methods = expand_methods(["layer:all"], 3)
    assert [method.block["layers"] for method in methods] == [[1], [2], [3]]


@pytest.mark.parametrize("depth", [1, 2, 5, 6, 12])
def test_random_init_of_all_draws_every_block_anew_in_exactly_one_run(depth: int) -> None:
    methods = expand_methods(["reinit:all"], depth)
    assert [layer for method in methods for layer in method.reinit] == list(range(1, depth + 1))
    assert [len(method.reinit) for method in methods] == [2] * (depth // 2) + [1] * (depth % 2)
    assert methods[0].name == ("reinit:1" if depth == 1 else "reinit:1-2")
    assert all(method.block == make_method("last", depth).block for method in methods)


def test_the_upper_third_of_twelve_is_what_the_shipped_mean_reads() -> None:
    assert upper_third(12) == [9, 10, 11, 12]
    assert upper_third(6) == [5, 6]
    assert upper_third(4) == [3, 4]
    assert upper_third(1) == [1]


@given(st.integers(2, 48), st.data())
@settings(max_examples=50, deadline=None)
def test_counting_layers_from_the_end_names_the_same_method(depth: int, data: Any) -> None:
    layer = data.draw(st.integers(0, depth - 1))
    assert make_method(f"dlfa:{layer}", depth) == make_method(f"dlfa:{layer - depth - 1}", depth)


# Plans


def test_a_plan_comes_back_from_its_file(corpus: Path, bert: str, tmp_path: Path) -> None:
    plan = make_plan(corpus, bert, epochs={"pos": 3}, overrides={"training.dropout": 0.2})
    (tmp_path / "plan.cfg").write_text(plan_text(plan), encoding="utf-8")
    assert read_plan(tmp_path / "plan.cfg") == plan
    assert read_plan(tmp_path / "plan.cfg", {"seeds": [7]}).seeds == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sweep]\ncorpus = 'x'", "plan.cfg"),
        ('[sweep]\ncorpus = "x"\ntasks = ["pos"]\nmethods = ["last"]', "found no encoders"),
        ("[training]\nseed = 1", "found the blocks training"),
        ('[sweep]\ncorpus = "x"\nepoch = 3', "no setting epoch"),
    ],
)
def test_a_wrong_plan_is_an_error_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.cfg"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_plan(path)
    assert "plan.cfg" in str(error.value)
    with pytest.raises(ValueError, match="there is no such file"):
        read_plan(tmp_path / "other.cfg")


@pytest.mark.parametrize(
    ("key", "value"),
    [("epochs", 0), ("learn_rate", {"ner": 1.0}), ("test_limit", -1), ("seeds", []), ("tasks", [])],
)
def test_a_wrong_setting_is_named(corpus: Path, bert: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        make_plan(corpus, bert, **{key: value})


GOOD = """# A plan.
[sweep]
corpus = "x"
tasks = ["pos"]
methods = ["last"]
seeds = [0]

[sweep.encoders]
bundled = "assets/encoder"

[sweep.epochs]
pos = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[sweep]\n", "", r": found no plan \("),
        ("[sweep.epochs]", "[sweep]", r":11: found '\[sweep\]', expected it once"),
        (
            "[sweep.epochs]",
            "[sweep.encoders]",
            r":11: found '\[sweep.encoders\]', expected it once",
        ),
        ("seeds", "tasks", r":6: found '\[sweep\] tasks', expected it once"),
        ("# A plan.", "[other]", r": found the blocks other, sweep, expected \[sweep\] alone"),
        ('["pos"]', '[["pos"]]', r":4: \[sweep\] tasks.0: found \['pos'\], expected a list of"),
        ('["pos"]', '"pos"', r":4: \[sweep\] tasks: found 'pos', expected a list of"),
        ('["pos"]', '["../../pos"]', r":4: \[sweep\] tasks.0: found '../../pos', expected .*plain"),
        ('["pos"]', '["po\\ud800s"]', r":4: \[sweep\] tasks"),
        ("[0]", "5", r":6: \[sweep\] seeds: found 5, expected a list of whole numbers"),
        ("[0]", "[-1]", r":6: \[sweep\] seeds.0: found -1"),
        ("[0]", "[true]", r":6: \[sweep\] seeds.0: found True"),
        ("[0]", f"[{'9' * 5000}]", r":6: \[sweep\] seeds"),
        ("[0]", "[" * 100_000, r":6: \[sweep\] seeds"),
        ("pos = 1", "pos = NaN", r":12: \[sweep\] epochs.pos: found nan, expected a whole number"),
        ("pos = 1", "pos = 1.5", r":12: \[sweep\] epochs.pos: found 1.5"),
        ("pos = 1", "ner = 1", r":11: \[sweep\] epochs: found no number for the task pos"),
        ("seeds = [0]", "warmup = 7", r":6: \[sweep\] warmup: found 7, expected a fraction"),
        ("seeds = [0]", "warmup = NaN", r":6: \[sweep\] warmup: found nan"),
        ("seeds = [0]", "learn_rate = Infinity", r":6: \[sweep\] learn_rate: found inf"),
        ("seeds = [0]", "batch_size = -3", r":6: \[sweep\] batch_size: found -3, expected a whole"),
        ("seeds = [0]", 'frozen = "no"', r":6: \[sweep\] frozen: found 'no', expected true or"),
        (
            "seeds = [0]",
            'source = "../en"',
            r":6: \[sweep\] source: found '../en', expected a lang",
        ),
        ("seeds = [0]", 'languages = ["de", ".."]', r":6: \[sweep\] languages.1: found '..'"),
        ("bundled =", "../../x =", r":9: \[sweep\] encoders.*: found '../../x', expected .*plain"),
        ('"assets/encoder"', "3", r":9: \[sweep\] encoders.bundled: found 3, expected a folder"),
        ("epochs]\npos", "overrides]\na.b", None),
        ("epochs]\npos = 1", "overrides]\na.b = NaN", r":11: \[sweep\] overrides"),
        ("epochs]\npos = 1", "overrides]\npos = 1", r":11: \[sweep\] overrides.*by task"),
        (
            "epochs]\npos = 1",
            "overrides]\n[sweep.overrides.pos]\nb = 1",
            r":11: \[sweep\] overrides.*by task",
        ),
    ],
)
def test_a_wrong_plan_is_an_error_with_file_line_section_and_key(
    tmp_path: Path, old: str, new: str, message: str | None
) -> None:
    path = tmp_path / "plan.cfg"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    if message is None:
        assert read_plan(path).overrides == {"a.b": 1}
        return
    with pytest.raises(ValueError, match=re.escape(str(path)) + message) as error:
        read_plan(path)
    assert "Fix: " in str(error.value) and len(str(error.value)) < 2000


def test_a_plan_that_is_no_text_or_far_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.cfg"
    path.write_bytes(GOOD.encode() + b"\xff")
    with pytest.raises(ValueError, match=r"plan\.cfg:13: .*expected UTF-8"):
        read_plan(path)
    path.write_text("#" * (1 << 21), encoding="utf-8")
    with pytest.raises(ValueError, match=r"plan\.cfg: found a file of 2,097,152 bytes"):
        read_plan(path)


def test_what_an_option_says_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.cfg"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(ValueError, match=r"plan\.cfg: \[sweep\] seeds: found 5"):
        read_plan(path, {"seeds": 5})
    path.write_text(GOOD.replace("[0]", "5"), encoding="utf-8")
    assert read_plan(path, {"seeds": [1]}).seeds == [1]


RESULTS = ROOT / "docs" / "results"
# The other one there is a plan that `dlfa align --report` fills in.
# What a plan may override beside the arguments of what a config registers.
ONE_BY_ONE = (
    "dropout", "L2", "after_init", "eval_frequency", "max_epochs", "before_update",
    "augmenter", "shuffle_buffer", "gold_preproc",
)  # fmt: skip
WAYS = (
    "one_rate_500", "code_switch_500", "synonyms_500", "perturb_500", "adversarial_100", "l2_500",
    "perturb_100", "twice_100",
    "preserve_100", "multi-task_100", "adjust_100", "realign_100", "heads",
    "synonyms_100", "code_switch_100", "ear_100", "topics_100",
)  # fmt: skip
COMMITTED = [
    path
    for path in sorted([*RESULTS.glob("*.cfg"), *(ROOT / "configs" / "plans").glob("*.cfg")])
    if path.stem != "alignment_embedded"
]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_plan_reads_and_names_methods_of_the_bundled_encoder(path: Path) -> None:
    plan = read_plan(path)
    assert plan.encoders["bundled"] == "assets/encoder"
    aligned = {"aligned": ["last", "layer:8"], "aligned_100": ["last"]}
    if path.stem in aligned:
        # Encoders side by side, and not methods.
        assert {folder.partition("/")[0] for folder in plan.encoders.values()} == {
            "assets",
            "aligned",
        }
        assert plan.methods == aligned[path.stem] and len(plan.seeds) == 3
        return
    assert len(plan.encoders) == 1
    methods = {method.aggregator for method in expand_methods(plan.methods, 12)}
    # What is shown with one seed says so; one plan makes a pipeline that others go on with.
    one_seed = path.stem in ("encoder_frozen", "few_shot", "random_init", "xtreme")
    # What another way to train changes is no question of a method: each has a plan as its control.
    compared = {"last"} if path.stem in (*WAYS, "random_init") else {"last", "control"}
    if path.stem == "few_shot":
        compared = {"layer"}
    assert compared <= methods and len(plan.seeds) >= (1 if one_seed else 3)
    for task in plan.tasks:
        config = make_config(base_of(task), "last", encoder=plan.encoders["bundled"])
        for key in plan.overrides_of(task):
            *place, last = key.split(".")
            block: Any = config
            for name in place:
                block = block[name]
            kinds = [kind for kind in block if kind.startswith("@")]
            if kinds and block is not config["corpora"]["train"]:
                made = registry.get(kinds[0][1:], block[kinds[0]])
                assert last in inspect.signature(made).parameters
            else:
                assert last in ONE_BY_ONE
    # Its first line is the command, with its own name.
    first = path.read_text(encoding="utf-8").splitlines()[0]
    place = path.relative_to(ROOT).as_posix()
    assert f"dlfa sweep {place} --out sweeps/{path.stem}" in first


def test_the_committed_plans_are_found() -> None:
    found = {path.stem for path in COMMITTED}
    assert {"frozen_main", "frozen_layers", "frozen_100", "tuned_head_100", "topics"} <= found
    assert {"sentiment", "pairs_frozen", "tuned_upper_100", "xtreme"} <= found


# Runs


def runs_of(plan: Plan, out: Path) -> list[RunSettings]:
    runs = make_runs(plan, out)
    assert len({run.hash for run in runs}) == len(runs)
    return runs


def test_all_methods_of_a_seed_come_before_the_next_seed(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    names = [run.name for run in runs_of(make_plan(corpus, bert), tmp_path)]
    assert names == [f"pos/tiny/{m}/seed-{seed}" for seed in (0, 1) for m in ("last", "dlfa-2")]


def test_dev_is_scored_once_and_beside_the_test_sets(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    (run, *_) = runs_of(make_plan(corpus, bert), tmp_path)
    scored = [(file.language, file.split) for file in run.tests]
    assert scored == [("de", "test"), ("en", "test"), ("fr", "dev"), ("en", "dev")]
    (run, *_) = runs_of(make_plan(corpus, bert, languages=["fr"]), tmp_path)
    scored = [(file.language, file.split) for file in run.tests]
    assert scored == [("en", "test"), ("fr", "dev"), ("en", "dev")]


def test_a_limit_draws_the_same_texts_for_every_run(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    plan = make_plan(corpus, bert, train_limit=5, dev_limit=4, test_limit=3)
    (run, *others) = runs_of(plan, tmp_path)
    assert all((run.train, run.dev, run.tests) == (o.train, o.dev, o.tests) for o in others)
    counts = {f"{file.language}/{file.split}": count_docs(Path(file.path)) for file in run.tests}
    assert counts == {"de/test": 3, "en/test": 3, "fr/dev": 3, "en/dev": 4}
    assert count_docs(Path(run.train.path)) == 5
    written = Path(run.train.path).read_bytes()
    Path(run.train.path).unlink()
    assert runs_of(plan, tmp_path)[0] == run and Path(run.train.path).read_bytes() == written
    other = make_plan(corpus, bert, train_limit=5, dev_limit=4, test_limit=3, limit_seed=1)
    assert runs_of(other, tmp_path)[0].hash != run.hash


def test_a_run_is_named_by_what_it_is_and_not_by_where_it_lies(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    before = [run.hash for run in runs_of(make_plan(corpus, bert), tmp_path / "a")]
    moved = make_corpus(tmp_path / "elsewhere")
    assert [run.hash for run in runs_of(make_plan(moved, bert), tmp_path / "b")] == before
    write_docs(moved / "pos" / "de" / "test.spacy", 24, 99)
    assert not {r.hash for r in runs_of(make_plan(moved, bert), tmp_path / "b")} & {*before}


def test_what_belongs_to_one_task_does_not_reach_another(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    make_corpus(corpus, "ner")
    overrides = {"ner": {"training.dropout": 0.3}, "training.grad_factor": 1}
    plan = make_plan(
        corpus, bert, tasks=["pos", "ner"], epochs={"pos": 1, "ner": 2}, overrides=overrides
    )
    found = {run.task: (run.epochs, run.overrides) for run in runs_of(plan, tmp_path)}
    assert found == {
        "pos": (1, {"training.grad_factor": 1}),
        "ner": (2, {"training.dropout": 0.3, "training.grad_factor": 1}),
    }
    (tmp_path / "plan.cfg").write_text(plan_text(plan))
    assert read_plan(tmp_path / "plan.cfg") == plan


def test_the_config_of_a_run_says_what_the_plan_says(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    plan = make_plan(
        corpus, bert, methods=["dlfa_sigmoid:1"], warmup=0.5, overrides={"training.dropout": 0.3}
    )
    (_, run) = runs_of(plan, tmp_path)
    config = run_config(run, 20)
    training = config["training"]
    # 20 texts in batches of 8 are 3 steps; dev is scored after each of the two epochs.
    assert (training["max_steps"], training["eval_frequency"]) == (6, 3)
    rate = training["optimizer"]["learn_rate"]
    assert (rate["total_steps"], rate["warmup_steps"], rate["initial_rate"]) == (6, 3, 1e-3)
    assert (config["system"]["seed"], training["dropout"]) == (1, 0.3)
    assert {reader["seed"] for reader in config.interpolate()["corpora"].values()} == {1}
    (listener,) = listeners(config["components"])
    assert listener["aggregation"]["layer"] == 1
    assert listener["aggregation"]["gate"] == "sigmoid"
    with pytest.raises(ValueError, match="no block optimiser"):
        run_config(runs_of(make_plan(corpus, bert, overrides={"optimiser.x": 1}), tmp_path)[0], 20)


def test_seeds_differ_in_the_words_that_an_augmenter_draws(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    switch = {"@augmenters": "dlfa_spacy.code_switch.v1", "dictionaries": "words"}
    seeds = []
    for block in (switch, {**switch, "seed": 5}, {"@augmenters": "spacy.lower_case.v1"}):
        plan = make_plan(corpus, bert, overrides={"corpora.train.augmenter": block})
        run = runs_of(plan, tmp_path)[-1]
        name = run.hash
        seeds.append(run_config(run, 20).interpolate()["corpora"]["train"]["augmenter"].get("seed"))
        assert run.hash == name
    assert seeds == [1, 5, None]


def test_new_layers_are_drawn_with_the_seed_of_the_run(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    (_, run) = runs_of(make_plan(corpus, bert, methods=["reinit_top"]), tmp_path)
    assert run_config(run, 20)["initialize"]["before_init"] == {
        "@callbacks": "dlfa_spacy.reinit_layers.v1",
        "layers": [3, 4],
        "seed": 1,
    }


def test_blocks_of_an_ablation_reach_the_config_by_their_layer_numbers(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    runs = runs_of(make_plan(corpus, bert, methods=["last", "reinit:all"]), tmp_path)
    found = {
        (run.name, run.aggregator): run_config(run, 20)["initialize"].get("before_init")["layers"]
        for run in runs
        if run.seed == 0 and run.reinit
    }
    assert found == {
        ("pos/tiny/reinit-1-2/seed-0", "reinit:1-2"): [1, 2],
        ("pos/tiny/reinit-3-4/seed-0", "reinit:3-4"): [3, 4],
    }


def test_what_is_not_there_is_named(corpus: Path, bert: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no-encoder"):
        make_runs(make_plan(corpus, str(tmp_path / "no-encoder")), tmp_path)
    with pytest.raises(ValueError, match="xnli"):
        make_runs(make_plan(corpus, bert, tasks=["xnli"]), tmp_path)
    with pytest.raises(ValueError, match="'it'"):
        make_runs(make_plan(corpus, bert, languages=["it"]), tmp_path)


def test_a_task_has_the_base_config_of_its_name_or_is_classes_of_texts() -> None:
    tasks = ("pos", "ner", "ner-uner", "parser-ud", "morphologizer", "xnli")
    assert [base_of(task) for task in tasks] == [
        "pos",
        "ner",
        "ner",
        "parser",
        "morphologizer",
        "textcat",
    ]


# The table

KEY = dict(
    **dict(task="pos", aggregator="dlfa", layer=3, gate="product", norm="batch", encoder="e"),
    **dict(regime="frozen", texts=100, seed=0),
)


def score(language: str, value: float) -> dict[str, Any]:
    metric = "pos_token_accuracy"
    return {
        "language": language, "split": "test", "metric": metric, "value": value, "count": 7
    }  # fmt: skip


def test_the_table_is_the_same_from_either_file(tmp_path: Path) -> None:
    table = ResultsTable(tmp_path / "results.sqlite")
    # Norwegian is no truth value, and an empty gate is no missing one.
    table.add("b", KEY, [score("no", 0.1 + 0.2), score("de", 1 / 3)], {})
    last = {**KEY, "aggregator": "last", "layer": None, "gate": "", "norm": ""}
    table.add("a", last, [score("nan", 1.0)], {"speed": 1})
    from_csv = read_table(table.export(tmp_path / "results.csv"))
    frame = read_table(tmp_path)
    pandas.testing.assert_frame_equal(frame, from_csv)
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"].tolist() == [1 / 3, 0.1 + 0.2, 1.0]
    assert frame["layer"].tolist() == [3, 3, pandas.NA]
    assert frame["gate"].tolist() == ["product", "product", ""]
    assert table.records() == {"a": {"speed": 1}, "b": {}}


def test_a_table_of_before_has_no_regime_and_no_number_of_texts(tmp_path: Path) -> None:
    old = [name for name in KEY if name not in ("regime", "texts")]
    header = [*old, "language", "split", "metric", "value", "count"]
    line = "pos,last,,,,e,0,de,test,pos_token_accuracy,0.5,7"
    (tmp_path / "results.csv").write_text(f"{','.join(header)}\n{line}\n", encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "results.sqlite")) as connection, connection:
        connection.execute(
            "CREATE TABLE runs (run TEXT PRIMARY KEY, task TEXT NOT NULL, aggregator TEXT NOT NULL,"
            " layer INTEGER, gate TEXT NOT NULL, norm TEXT NOT NULL, encoder TEXT NOT NULL,"
            " seed INTEGER NOT NULL, record TEXT NOT NULL)"
        )
        values = ("a", "pos", "last", None, "", "", "e", 0, "{}")
        connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    table = ResultsTable(tmp_path / "results.sqlite")
    table.add("b", KEY, [score("de", 0.5)], {})
    assert [key["regime"] for key in table.runs().values()] == ["", "frozen"]
    frame = read_table(tmp_path / "results.csv")
    assert tuple(frame.columns) == COLUMNS
    assert frame[["regime", "texts", "seed", "value"]].values.tolist() == [["", 0, 0, 0.5]]


def test_adding_a_run_again_changes_nothing(tmp_path: Path) -> None:
    table = ResultsTable(tmp_path / "results.sqlite")
    table.set_failures({"a": ("name", "reason"), "b": ("other", "reason")})
    table.add("a", KEY, [score("de", 0.5)], {})
    table.add("a", KEY, [score("de", 0.7), score("fr", 0.7)], {"new": 1})
    assert [row[-2] for row in table.rows()] == [0.5]
    assert table.failures() == {"b": ("other", "reason")}


def test_a_run_whose_scores_cannot_be_written_is_not_there_at_all(tmp_path: Path) -> None:
    table = ResultsTable(tmp_path / "results.sqlite")
    with pytest.raises(Exception, match="UNIQUE"):
        table.add("a", KEY, [score("de", 0.5), score("de", 0.7)], {})
    assert table.rows() == [] and table.runs() == {}


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such file"):
        read_table(tmp_path)
    (tmp_path / "results.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="found the columns a, b"):
        read_table(tmp_path)


# How long it takes


def test_the_time_left_is_that_of_what_waits_and_runs() -> None:
    estimate = Estimate(2)
    assert estimate.left(["pos"], []) is None
    estimate.add("pos", 10.0)
    estimate.add("pos", 20.0)
    assert estimate.left(["pos", "pos"], [("pos", 5.0)]) == (15 + 15 + 10) / 2
    # One that takes longer than the others is not done before it is done; unknown tasks take as
    # long as known ones.
    estimate.add("ner", 100.0)
    assert estimate.left(["ner"], [("pos", 99.0)]) == 100.0
    assert estimate.of("xnli") == pytest.approx(130 / 3)
    assert estimate.left([], []) == 0.0


def test_settings_are_plain_data(corpus: Path, bert: str, tmp_path: Path) -> None:
    (run, *_) = runs_of(make_plan(corpus, bert), tmp_path)
    assert json.loads(json.dumps(run.content())) == run.content()
    assert str(corpus) not in json.dumps(run.content())
