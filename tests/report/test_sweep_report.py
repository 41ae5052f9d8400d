"""The report of a sweep: honest rows, tests in words, published figures apart, no stray text."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import write_docs
from dlfa_spacy.report.compare import compare
from dlfa_spacy.report.comparison import statistic
from dlfa_spacy.report.curves import Column, Curves, curves, curves_markdown
from dlfa_spacy.report.drawing import svg_of
from dlfa_spacy.report.figures import curve_plot, span
from dlfa_spacy.report.html import to_html
from dlfa_spacy.report.parts import language_tables
from dlfa_spacy.report.published import beside_published, published_figures
from dlfa_spacy.report.report import comparison_markdown, write_report
from dlfa_spacy.report.sweep_runs import read_sweep, read_sweeps, runs_of_table
from dlfa_spacy.report.variant import variant_name

pandas = pytest.importorskip("pandas")
table_module = pytest.importorskip("dlfa_spacy.runs.table")

LANGUAGES = {
    "pos": ["en", "ar", "de", "hi", "ru", "zh"],
    "ner": ["en", "de", "fr", "ru", "zh"],
    "xnli": ["en", "de", "fr", "ru", "zh"],
}
METRICS = {
    "pos": ["pos_token_accuracy", "pos_chunk_f1_seqeval1"],
    "ner": ["ner_span_f1"],
    "xnli": ["textcat_accuracy"],
}
METHODS = [
    ("last", None, "", ""),
    ("attention", None, "", ""),
    ("scalar", None, "", ""),
    ("reinit_top", 5, "", ""),
    ("dlfa", 2, "product", "batch"),
    ("dlfa", 4, "product", "batch"),
    ("dlfa", 4, "sigmoid", "layer"),
    ("control", None, "product", "batch"),
    ("control", None, "sigmoid", "layer"),
]
EFFECT = {"reinit_top": -0.05, "dlfa": 0.0}


def make_rows(seeds: int = 5) -> list[dict]:
    """A sweep: everybody equal up to noise, but the re-initialized layers, which cost 5 points."""
    rng = np.random.default_rng(0)
    rows = []
    for task, languages in LANGUAGES.items():
        level = {code: rng.uniform(0.4, 0.7) for code in languages} | {"en": 0.9}
        for aggregator, layer, gate, norm in METHODS:
            for seed in range(seeds):
                run = rng.normal(0, 0.004) + EFFECT.get(aggregator, 0.0)
                for code, split in [*((code, "test") for code in languages), ("en", "dev")]:
                    value = level[code] + run + rng.normal(0, 0.006)
                    for number, metric in enumerate(METRICS[task]):
                        rows.append(
                            {
                                "task": task,
                                "aggregator": aggregator,
                                "layer": layer,
                                "gate": gate,
                                "norm": norm,
                                "encoder": "tiny",
                                "regime": "frozen",
                                "texts": 2000,
                                "seed": seed,
                                "language": code,
                                "split": split,
                                "metric": metric,
                                "value": value - 0.05 * number,
                                "count": 500,
                            }
                        )
    return rows


@pytest.fixture(scope="module")
def frame():
    table = pandas.DataFrame(make_rows())
    return table.assign(layer=table["layer"].astype("Int64"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Path:
    """The same sweep as `dlfa sweep` leaves it, with records."""
    folder = tmp_path_factory.mktemp("sweep")
    table = table_module.ResultsTable(folder / "results.sqlite")
    runs: dict[tuple, list[dict]] = {}
    for row in make_rows():
        runs.setdefault(tuple(row[c] for c in table_module.RUN_COLUMNS), []).append(row)
    for number, (key, rows) in enumerate(runs.items()):
        task, aggregator = key[:2]
        places = {f"{row['language']}/{row['split']}" for row in rows}
        weights = [0.1, 0.2, 0.7] if aggregator in ("attention", "scalar") else []
        confusion = {"PER": {"PER": 90, "LOC": 9, "–": 1}, "–": {"ORG": 4}}
        record = {
            "settings": {"train": {"language": "en", "split": "train", "content": "a1-0-2000"}},
            "counts": {place: {"docs": 300} for place in places},
            "layer_weights": {"without_text": {"tagger": weights}} if weights else {},
            "confusions": {place: {"ner": confusion} for place in places} if task == "ner" else {},
        }
        if task == "ner":
            record["counts"]["zh/test"]["ner_gold_spans_off_token_boundaries"] = 7
        table.add(str(number), dict(zip(table_module.RUN_COLUMNS, key, strict=True)), rows, record)
    table.export(folder / "results.csv")
    return folder


@pytest.fixture(scope="module")
def report(sweep, tmp_path_factory) -> Path:
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("report")
    write_report(sweep, out, card=out / "card.md")
    return out


def comparison_of(runs, metric):
    return next(c for c in compare(runs) if c.metric == metric)


@pytest.fixture(scope="module")
def comparisons(frame):
    return compare(runs_of_table(frame))


@pytest.fixture(scope="module")
def by_metric(comparisons):
    return {comparison.metric: comparison for comparison in comparisons}


@pytest.mark.slow
def test_the_table_and_the_files_of_a_sweep_give_the_same_runs(frame, sweep):
    from_frame = runs_of_table(frame)
    from_sqlite = read_sweep(sweep)
    from_csv = read_sweep(sweep / "results.csv")
    assert len(from_frame) == len(METHODS) * 5 * 3

    def scores(runs):
        return {(run.setting.eval_data, run.variant, run.seed): run.scores for run in runs}

    assert scores(from_frame) == scores(from_sqlite) == scores(from_csv)
    assert from_sqlite[0].setting.train_data == "en/train, 2,000 texts"
    assert from_sqlite[0].n_docs["de"] == 300 and from_csv[0].n_docs == {}


@pytest.fixture(scope="module")
def sizes(tmp_path_factory) -> Path:
    """Three sweeps: frozen on 100 and on 500 texts, fine-tuned on 100, where the baseline gains."""
    folder = tmp_path_factory.mktemp("sizes")
    places = [("frozen", 100, 0.0), ("frozen", 500, 0.1), ("fine-tuned", 100, 0.3)]
    for number, (regime, texts, gain) in enumerate(places):
        (folder / str(number)).mkdir()
        table = table_module.ResultsTable(folder / str(number) / "results.sqlite")
        runs: dict[tuple, list[dict]] = {}
        for row in (row for row in make_rows(seeds=2) if row["task"] == "pos"):
            value = row["value"] + gain * (row["aggregator"] == "last")
            row = {**row, "regime": regime, "texts": texts, "value": value}
            key = tuple(row[c] for c in table_module.RUN_COLUMNS)
            runs.setdefault(key, []).append(row)
        for name, (key, rows) in enumerate(runs.items()):
            keys = dict(zip(table_module.RUN_COLUMNS, key, strict=True))
            table.add(f"{number}-{name}", keys, rows, {})
    return folder


def test_what_differs_in_regime_and_texts_is_side_by_side(sizes, tmp_path):
    runs = read_sweeps(sizes)
    found = {made.title: made for made in curves(compare(runs))}
    assert set(found) == {"POS accuracy, pos"}
    pos = found["POS accuracy, pos"]
    frozen, more, tuned = (
        Column(*x) for x in (("frozen", 100), ("frozen", 500), ("fine-tuned", 100))
    )
    assert pos.columns == [frozen, more, tuned]
    last = pos.rows["last"]
    assert last[more].mean - last[frozen].mean == pytest.approx(0.1)
    assert last[tuned].mean - last[frozen].mean == pytest.approx(0.3)
    assert last[tuned].n == 2 and pos.best[tuned] == "last"
    # A choice among layers is another one in each sweep: every row is one method.
    assert "dlfa-product@4" in pos.rows and not any(": " in name for name in pos.rows)
    assert set(pos.lines("frozen")["last"]) == {100, 500} and not pos.lines("fine-tuned")
    write_report(sizes, tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| method | frozen, 100 | frozen, 500 | fine-tuned, 100 |" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("score by number of texts") == 1 and "fine-tuned" in page


def test_a_method_has_one_color_in_all_small_multiples(monkeypatch):
    columns = [Column(regime, texts) for regime in ("frozen", "fine-tuned") for texts in (10, 20)]
    score = statistic([0.5, 0.6])
    rows = {name: dict.fromkeys(columns, score) for name in ("last", "attention", "scalar-mix")}
    rows["attention"] = dict.fromkeys(columns[:2], score)
    made = Curves("POS", "", columns, rows, ["de"], [])
    drawn = []

    def kept(figure):
        lines = figure.axes[0].containers
        drawn.append({line.get_label(): line[0].get_color() for line in lines})
        return svg_of(figure)

    monkeypatch.setattr("dlfa_spacy.report.figures.svg_of", kept)
    assert all(curve_plot(made, regime) for regime in made.regimes)
    frozen, tuned = drawn
    assert set(frozen) - set(tuned) == {"attention"} and len(set(frozen.values())) == 3
    assert all(frozen[name] == color for name, color in tuned.items())


def test_the_axis_of_scores_holds_deviations(sizes):
    (pos,) = curves(compare(read_sweeps(sizes)))
    drawn = [v for line in pos.lines("frozen").values() for v in line.values()]
    low, high = span(pos)
    assert low == pytest.approx(100 * min(v.mean - v.sd for v in drawn))
    assert high == pytest.approx(100 * max(v.mean + v.sd for v in drawn))
    assert high > 100 * max(v.mean for v in drawn)


def test_the_regimes_of_one_method_are_rows_and_none_is_bold(sizes):
    runs = [run for run in read_sweeps(sizes) if run.variant == "last"]
    compared = compare(runs)
    (made,) = curves(compared)
    text = curves_markdown(made)
    assert "| regime | last |" in text and "**" not in text.partition("\n\n")[2]
    assert [line.split(" | ")[0] for line in text.splitlines() if ", " in line and "|" in line] == [
        "| frozen, 100", "| frozen, 500", "| fine-tuned, 100"
    ]  # fmt: skip
    assert "bold" not in text
    page = to_html(compared, runs, [made], title="", figures=False)
    table = page.partition("by texts and regime</h2>")[2].partition("</table>")[0]
    assert table.count("<tr>") == 4 and table.count("<td") == 3 and ">regime</th>" in table


def test_a_method_that_is_alone_in_a_column_is_not_its_best(sizes):
    runs = read_sweeps(sizes)
    kept = [r for r in runs if r.variant == "last" or r.setting.regime == "frozen"]
    (made,) = curves(compare(kept))
    alone = Column("fine-tuned", 100)
    assert alone in made.rows["last"] and {c.regime for c in made.best} == {"frozen"}


def test_more_languages_than_fit_stand_in_groups(sweep, monkeypatch):
    (pos,) = [c for c in compare(read_sweep(sweep)) if c.title == "POS accuracy, pos"]
    table = comparison_markdown(pos)
    assert "| en | ar | de | hi | ru | zh |" in table and "family" not in table
    monkeypatch.setattr("dlfa_spacy.report.report.MAX_COLUMNS", 5)
    table = comparison_markdown(pos)
    assert "| to control | en |" in table
    script, family = (table.split(f"| {way} | languages |")[1] for way in ("script", "family"))
    assert "| Cyrillic | ru |" in script and "| Germanic | de |" in family


def test_one_regime_and_one_size_make_no_curves(sweep):
    assert curves(compare(read_sweep(sweep))) == []


def test_the_same_run_in_two_sweeps_is_refused(sizes, tmp_path):
    for name in "ab":
        shutil.copytree(sizes / "0", tmp_path / name)
    with pytest.raises(ValueError, match=r"expected each run once. Fix:"):
        read_sweeps(tmp_path)


def test_dev_of_the_source_language_chooses_and_is_no_score(frame):
    run = next(run for run in runs_of_table(frame) if run.setting.eval_data == "ner")
    assert set(run.splits.values()) == {"test"}
    assert run.dev.keys() == {"ner_span_f1"}
    assert run.dev["ner_span_f1"] != run.scores["ner_span_f1"]["en"]


@pytest.mark.parametrize(
    "aggregator, layer, gate, norm, expected",
    [
        ("last", None, "", "", "last"),
        ("mean_upper", None, "", "", "mean-upper"),
        ("scalar", None, "", "", "scalar-mix"),
        ("dlfa", 4, "product", "batch", "dlfa-product@4"),
        ("dlfa", 10, "sigmoid", "none", "dlfa-sigmoid-no_norm@10"),
        ("control", None, "product", "batch", "control"),
        ("control", None, "sigmoid", "batch", "control-sigmoid"),
        ("control", None, "product", "layer", "control-product-layer_norm"),
        ("reinit_top", 5, "", "", "reinit-top@5"),
    ],
)
def test_methods_are_named_with_layer_gate_and_norm(aggregator, layer, gate, norm, expected):
    assert variant_name(aggregator, layer, gate, norm) == expected


def test_only_the_method_that_differs_is_called_worse(by_metric):
    comparison = by_metric["pos_token_accuracy"]
    verdicts = {
        row.variant: row.against_baseline.verdict
        for row in comparison.rows
        if row.against_baseline is not None
    }
    assert verdicts.pop("reinit-top@5") == "worse"
    assert not {"better", "worse"} & set(verdicts.values())
    sentence = comparison.in_short()
    assert sentence.startswith("Worse than the last layer: reinit-top@5 (-5.")
    assert "(7 methods tested)" in sentence


def test_a_layer_out_of_many_has_three_rows_and_no_test_of_its_own(by_metric):
    comparison = by_metric["ner_span_f1"]
    rows = {row.variant: row for row in comparison.rows}
    for name in ("dlfa-product@2", "dlfa-product@4"):
        assert rows[name].note == "one of 2 layers" and rows[name].against_baseline is None
    chosen = rows["dlfa-product: chosen on dev"]
    mean = rows["dlfa-product: mean over layers"]
    oracle = rows["dlfa-product: oracle"]
    assert chosen.against_baseline is not None and chosen.against_control is not None
    assert mean.against_baseline is None and oracle.against_baseline is None
    assert oracle.is_bound and not chosen.is_bound
    assert oracle.targets.mean >= max(chosen.targets.mean, mean.targets.mean)
    both = [rows[f"dlfa-product@{layer}"].targets.mean for layer in (2, 4)]
    assert mean.targets.mean == pytest.approx(sum(both) / 2)
    # One layer is no choice.
    assert "dlfa-sigmoid-layer_norm: oracle" not in rows
    assert rows["dlfa-sigmoid-layer_norm@4"].against_baseline is not None


def test_a_method_is_held_against_the_control_of_its_gate_and_norm(by_metric):
    comparison = by_metric["ner_span_f1"]
    row = next(r for r in comparison.rows if r.variant == "dlfa-sigmoid-layer_norm@4")
    control = next(r for r in comparison.rows if r.variant == "control-sigmoid-layer_norm")
    assert row.against_control is not None
    assert row.against_control.difference == pytest.approx(row.targets.mean - control.targets.mean)
    assert comparison.borrowed_controls == []


def test_a_borrowed_control_is_named(frame):
    ner = frame[frame["task"] == "ner"]
    kept = ner[~((ner["aggregator"] == "control") & (ner["norm"] == "layer"))]
    comparison = comparison_of(runs_of_table(kept), "ner_span_f1")
    assert comparison.borrowed_controls == ["dlfa-sigmoid-layer_norm@4"]
    assert "another gate or norm, because its own was not run" in comparison_markdown(comparison)


def test_groups_of_the_paper_are_means_over_their_languages(by_metric):
    comparison = by_metric["pos_token_accuracy"]
    row = comparison.rows[0]
    enf = (row.languages["en"].mean + row.languages["de"].mean) / 2
    assert row.groups["paper"]["enf"].mean == pytest.approx(enf)
    assert comparison.groups["script"]["Cyrillic"] == ["ru"]


def test_gold_spans_off_token_boundaries_are_shown_by_language(sweep):
    runs = [run for run in read_sweep(sweep) if run.setting.eval_data == "ner"]
    comparison = comparison_of(runs, "ner_span_f1")
    assert comparison.lost_spans == {"zh": 7}
    assert any("hence lost whatever is predicted: zh 7." in s for s in comparison.statements())


class Links(HTMLParser):
    """Collects what a page refers to, and whether what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.refs += [values[key] for key in ("src", "href", "xlink:href") if key in values]
        if tag not in ("meta", "br", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br", "use"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.slow
def test_the_page_stands_alone_and_its_contents_lead_somewhere(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    assert page.open == []
    assert all(ref.startswith("#") for ref in page.refs)
    assert {ref[1:] for ref in page.refs} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "url(http" not in text and "@import" not in text
    for part in ("#weights", "#published", "#reading"):
        assert part in page.refs


@pytest.mark.slow
def test_every_figure_says_what_it_is_to_those_who_do_not_see_it(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    figures = re.findall(r"<svg[^>]*>", text)
    labels = [re.search(r'role="img" aria-label="([^"]+)"', figure) for figure in figures]
    # Dots and layers of each task; layer weights of each task.
    assert len(figures) == 3 * len(LANGUAGES)
    assert all(labels) and len({label[1] for label in labels if label}) == len(figures)
    # Text stays text: it can be searched, and takes the color of the page.
    assert "<text" in text and 'fill="currentColor"' in text.replace(
        "fill: currentColor", 'fill="currentColor"'
    )


def test_the_page_says_in_words_what_the_tests_say(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert "Worse than the last layer: reinit-top@5" in text
    assert "best of 2 layers on the targets&#39; test sets" in text
    assert "Against the control" in text and "p, whole runs" in text


def test_confusions_show_shares_and_leave_spurious_spans_as_counts(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    assert "German (de)" in text
    row = text[text.index("PER → LOC") :]
    assert re.search(r">9 % \(9\)<", row[:400])
    spurious = text[text.index("nothing there → ORG") :]
    assert re.search(r">4<", spurious[:300])


def test_published_figures_stand_beside_the_same_metric_only(comparisons, by_metric):
    beside = beside_published(comparisons)
    assert beside is not None
    assert beside.header == [
        "model",
        "XNLI, accuracy",
        "PAWS-X, accuracy",
        "NER (PAN-X), span F1",
        "POS (UD), chunk F1 (seqeval)",
        "from",
    ]
    assert beside.published[0][:5] == ["mBERT, last layer", "65.40", "81.94", "62.17", "70.28"]
    last = next(row for row in beside.ours if row[0] == "last")
    pos = by_metric["pos_chunk_f1_seqeval1"].rows[0]
    # With English, as the published averages.
    mean = np.mean([value.mean for value in pos.languages.values()])
    assert last[4] == f"{100 * mean:.1f}" and last[2] == "–"
    assert not any(row[0].endswith("oracle") for row in beside.ours)
    # Token accuracy alone has no place there.
    assert beside_published([by_metric["pos_token_accuracy"]]) is None


def test_the_published_figures_say_where_they_are_from():
    content = published_figures()
    assert {row["source"] for row in content["rows"]} <= content["sources"].keys()
    assert all(source["status"] == "verified" for source in content["sources"].values())
    gains = [
        np.mean([row["values"][task] for row in content["rows"][1:]])
        - content["rows"][0]["values"][task]
        for task in ("xnli", "pawsx", "ner", "pos")
    ]
    # The remark repeats what the table itself gives.
    for gain in gains:
        assert f"{gain:+.2f}" in content["remarks"][1]


def test_the_model_card_and_the_csv_hold_what_was_measured(report):
    card = (report / "card.md").read_text(encoding="utf-8")
    assert "* Encoder: tiny" in card and "* Runs: 135" in card
    assert "Training data: en/train, 2,000 texts." in card and "oracle" not in card
    with (report / "report.csv").open(encoding="utf-8", newline="") as file_:
        rows = list(csv.DictReader(file_))
    n_cells = sum(len(LANGUAGES[task]) * len(METRICS[task]) for task in LANGUAGES)
    assert len(rows) == len(METHODS) * 5 * n_cells


def test_the_readme_gets_a_p_value_and_the_sentence(sweep, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- dlfa:scores -->\n<!-- dlfa:scores -->\n", encoding="utf-8")
    write_report(sweep, tmp_path / "out", readme=readme, figures=False)
    text = readme.read_text(encoding="utf-8")
    assert "| p (Holm) |" in text
    assert re.search(
        r"\| reinit-top@5 \| 5 \| [\d.]+ ± [\d.]+ \| [\d.]+ \| -[\d.]+ ± [\d.]+ \| <", text
    )
    assert "Worse than the last layer: reinit-top@5" in text


def test_languages_go_down_the_page_beside_their_difference_to_the_last_layer(by_metric):
    methods, layers = language_tables(by_metric["ner_span_f1"])
    assert [row["code"] for row in methods["rows"]] == LANGUAGES["ner"]
    assert methods["methods"][0] == "last" and "reinit-top@5" in methods["methods"]
    assert all("@" in name or ":" in name for name in layers["methods"])
    rows = {row.variant: row for row in by_metric["ner_span_f1"].rows}
    shares = []
    for row in methods["rows"]:
        for name, cell in zip(methods["methods"], row["cells"], strict=True):
            assert cell["score"] == f"{100 * rows[name].languages[row['code']].mean:.1f}"
            if name == "last":
                assert not cell["difference"]
                continue
            difference = rows[name].baseline_by_language[row["code"]]
            assert cell["kind"] == ("more" if difference > 0 else "less")
            shares.append(cell["share"])
        best = max(rows[name].languages[row["code"]].mean for name in methods["methods"])
        for name, cell in zip(methods["methods"], row["cells"], strict=True):
            assert cell["best"] == (rows[name].languages[row["code"]].mean == best)
    assert max(shares) == 1 and min(shares) < 1


def test_figures_are_readable_on_a_screen_of_400_pixels(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    widths = [int(width) for width in re.findall(r"<svg[^>]*min-width:(\d+)px", text)]
    assert widths and max(widths) <= 370


def test_an_empty_table_and_a_damaged_one_are_refused(tmp_path):
    run = CliRunner().invoke
    table_module.ResultsTable(tmp_path / "results.sqlite")
    result = run(app, ["report", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 1 and "found a table without scores" in result.output
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    result = run(app, ["report", str(tmp_path / "other.csv"), str(tmp_path / "out")])
    assert result.exit_code == 1 and "found the columns a, b" in result.output
    assert not (tmp_path / "out").exists()


SECRET = "Ada wohnt in Rom"


@Language.component("all_capitals_are_per", assigns=["doc.ents", "token.pos"])
def all_capitals_are_per(doc: Doc) -> Doc:
    doc.ents = [doc.char_span(t.idx, t.idx + len(t), "PER") for t in doc if t.text.istitle()]
    for token in doc:
        token.pos_ = "NOUN"
    return doc


@pytest.mark.slow
def test_sentences_are_kept_and_shown_on_request_only(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("all_capitals_are_per")
    nlp.to_disk(tmp_path / "pipe")
    doc = Doc(
        nlp.vocab,
        words=SECRET.split(),
        ents=["B-PER", "O", "O", "B-LOC"],
        pos=["PROPN", "VERB", "ADP", "PROPN"],
    )
    write_docs([doc], tmp_path / "in" / "de" / "test.spacy")
    run = CliRunner().invoke
    evaluate = ["evaluate", str(tmp_path / "pipe"), str(tmp_path / "in"), "--out"]
    silent, talking = tmp_path / "runs-a", tmp_path / "runs-b"
    assert run(app, [*evaluate, str(silent / "x")]).exit_code == 0
    assert run(app, [*evaluate, str(talking / "x"), "--examples", "2"]).exit_code == 0
    assert not (silent / "x" / "examples.json").exists()
    assert SECRET not in (talking / "x" / "scores.json").read_text(encoding="utf-8")
    kept = json.loads((talking / "x" / "examples.json").read_text(encoding="utf-8"))
    assert [example["task"] for example in kept["de"]] == ["ner", "pos"]
    out = tmp_path / "out"
    for source, options, shown in (
        (silent, ["--sentences"], False),
        (talking, [], False),
        (talking, ["--sentences"], True),
    ):
        result = run(app, ["report", str(source), str(out), "--no-figures", *options])
        assert result.exit_code == 0, result.output
        text = (out / "report.html").read_text(encoding="utf-8")
        assert ('<mark class="ent">Rom<span class="tag">LOC</span></mark>' in text) is shown
        assert ("wohnt" in text) is shown
    assert "wohnt" not in (out / "report.md").read_text(encoding="utf-8")


def test_sentences_cannot_inject_markup():
    from dlfa_spacy.evaluation.examples import render

    example = {
        "task": "ner",
        "text": "<script>x</script> Rom",
        "gold": [{"start": 19, "end": 22, "label": "<b>"}],
        "predicted": [],
    }
    html = "".join(part for _, part in render(example))
    assert "<script>" not in html and "<b>" not in html


@pytest.mark.parametrize("language, direction", [("ar", "rtl"), ("ur", "rtl"), ("de", "ltr")])
def test_sentences_run_in_the_direction_of_their_script(language, direction):
    from dlfa_spacy.evaluation.examples import render

    example = {"task": "textcat", "text": "x", "label": "a", "predicted_label": "b"}
    ((what, html),) = render(example, language)
    assert what == "gold a, predicted b" and f"direction: {direction}" in html


def test_a_damaged_examples_file_is_named(tmp_path):
    from dlfa_spacy.evaluation.examples import read_examples

    (tmp_path / "examples.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"examples\.json: found .*expected the file of"):
        read_examples(tmp_path)
    assert read_examples(tmp_path / "nowhere") == {}
