"""Several runs in one report: pairing by seed, honesty about chance, and whole files."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.evaluation import Evaluation, LanguageResult, write_evaluation
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.report.compare import compare, statistic
from dlfa_spacy.report.report import comparison_markdown, write_report
from dlfa_spacy.report.scored_runs import read_runs

METRIC = "ner_span_f1"


def write_run(folder: Path, variant: str, seed, scores: dict[str, float], **changes) -> Path:
    splits = changes.get("splits", {})
    settings = {"tokens": "gold", "source": "en", "splits": ["test"], "limit": 0, "limit_seed": 0}
    evaluation = Evaluation(
        run={
            "name": f"{variant}-{seed}",
            "variant": variant,
            "seed": seed,
            "train_data": changes.get("train_data", "100 sentences"),
            "eval_data": changes.get("eval_data", "corpus"),
        },
        model={"encoder": changes.get("encoder", "tiny")},
        settings={**settings, "data": "corpus", "tokens": changes.get("tokens", "gold")},
        languages=[
            LanguageResult(code, splits.get(code, "test"), 10, 100, 1.0, {METRIC: value}, {})
            for code, value in scores.items()
        ],
    )
    place = folder / f"{variant}-{seed}-{changes.get('tag', '')}"
    write_evaluation(evaluation, place)
    return place / "scores.json"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    # Seed 2 is easier than seed 1 by far; paired, DLFA is better by 2 and 4 points.
    write_run(folder, "last", 1, {"en": 0.80, "de": 0.50, "fr": 0.40})
    write_run(folder, "last", 2, {"en": 0.80, "de": 0.70, "fr": 0.60})
    write_run(folder, "dlfa-product", 1, {"en": 0.82, "de": 0.52, "fr": 0.42})
    write_run(folder, "dlfa-product", 2, {"en": 0.82, "de": 0.74, "fr": 0.64})
    write_run(folder, "control", 1, {"en": 0.80, "de": 0.54, "fr": 0.44})
    return folder


def test_methods_are_averaged_over_seeds_and_paired_by_them(runs):
    (comparison,) = compare(read_runs(runs))
    assert comparison.languages == ["en", "de", "fr"]
    rows = {row.variant: row for row in comparison.rows}
    assert list(rows) == ["last", "dlfa-product", "control"]
    last, dlfa = rows["last"], rows["dlfa-product"]
    assert last.targets.mean == pytest.approx(0.55)
    assert last.targets.sd == pytest.approx(0.2 / 2**0.5)
    assert last.gap is not None and last.gap.mean == pytest.approx(0.25)
    assert last.to_baseline is None
    assert dlfa.to_baseline is not None
    assert dlfa.to_baseline.mean == pytest.approx(0.03)
    # The spread of the seeds themselves is gone from the difference.
    assert dlfa.to_baseline.sd == pytest.approx(0.02 / 2**0.5)
    # Only seed 1 has a control.
    assert dlfa.to_control is not None
    assert (dlfa.to_control.n, dlfa.to_control.mean) == (1, pytest.approx(-0.02))
    assert dlfa.baseline_by_language == {
        "en": pytest.approx(0.02),
        "de": pytest.approx(0.03),
        "fr": pytest.approx(0.03),
    }


@pytest.mark.parametrize(
    "values, within_noise",
    [([0.01], True), ([0.01, 0.011, 0.012], False), ([0.01, -0.01, 0.005], True)],
)
def test_differences_within_noise_are_called_so(values, within_noise):
    assert statistic(values).within_noise is within_noise


def test_each_gate_is_held_against_its_own_control(tmp_path):
    for variant, score in (("dlfa-sigmoid@-5", 0.5), ("control", 0.1), ("control-sigmoid", 0.4)):
        write_run(tmp_path, variant, 1, {"de": score})
    (comparison,) = compare(read_runs(tmp_path))
    row = next(row for row in comparison.rows if row.variant == "dlfa-sigmoid@-5")
    assert row.to_control is not None and row.to_control.mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    "change",
    [{"tokens": "raw"}, {"train_data": "more"}, {"encoder": "big"}, {"eval_data": "other"}],
)
def test_runs_under_different_conditions_are_not_compared(tmp_path, change):
    write_run(tmp_path, "last", 1, {"de": 0.5})
    write_run(tmp_path, "attention", 1, {"de": 0.6}, **change)
    comparisons = compare(read_runs(tmp_path))
    assert [len(comparison.rows) for comparison in comparisons] == [1, 1]
    assert all(row.to_baseline is None for c in comparisons for row in c.rows)


def test_titles_say_what_was_trained_on_where_that_tells_tables_apart(tmp_path):
    write_run(tmp_path / "a", "last", 0, {"en": 0.9, "de": 0.5})
    (alone,) = compare(read_runs(tmp_path))
    assert "trained on" not in alone.title
    write_run(tmp_path / "b", "last", 0, {"en": 0.9, "de": 0.6}, train_data="another corpus")
    titles = {comparison.title for comparison in compare(read_runs(tmp_path))}
    assert titles == {
        f"{alone.title}, trained on {data}" for data in ("100 sentences", "another corpus")
    }


def test_languages_that_only_some_runs_have_are_left_out_of_the_mean_and_named(tmp_path):
    write_run(tmp_path, "last", 1, {"de": 0.5, "fr": 0.9})
    write_run(tmp_path, "attention", 1, {"de": 0.6})
    (comparison,) = compare(read_runs(tmp_path))
    assert comparison.languages == ["de"] and comparison.left_out == ["fr"]
    assert "Omitted, because some runs lack them: fr." in comparison_markdown(comparison)


def test_languages_scored_on_different_splits_are_left_out_of_the_mean_and_named(tmp_path):
    scores = {"en": 0.8, "de": 0.5, "fr": 0.9}
    write_run(tmp_path, "last", 1, scores)
    write_run(tmp_path, "attention", 1, scores, splits={"fr": "dev", "en": "dev"})
    (comparison,) = compare(read_runs(tmp_path))
    assert comparison.languages == ["de"] and comparison.left_out == []
    assert comparison.mixed_splits == {"en": ["dev", "test"], "fr": ["dev", "test"]}
    sentence = "Omitted, because runs were scored on different splits: en (dev and test), fr (dev"
    assert sentence in comparison_markdown(comparison)


def test_runs_that_share_no_split_are_not_compared(tmp_path):
    write_run(tmp_path, "last", 1, {"de": 0.5, "fr": 0.9})
    write_run(tmp_path, "mix", 1, {"de": 0.5, "fr": 0.9})
    write_run(tmp_path, "attention", 1, {"de": 0.6, "fr": 0.8}, splits={"de": "dev", "fr": "dev"})
    comparisons = compare(read_runs(tmp_path))
    tables = {tuple(row.variant for row in c.rows): comparison_markdown(c) for c in comparisons}
    assert set(tables) == {("last", "mix"), ("attention",)}
    assert "Evaluated on corpus, split dev, gold tokens" in tables["attention",]
    assert "split" not in tables["last", "mix"]


def test_one_seed_is_said_to_prove_nothing(tmp_path):
    write_run(tmp_path, "last", 1, {"de": 0.5})
    write_run(tmp_path, "attention", 1, {"de": 0.6})
    markdown = comparison_markdown(compare(read_runs(tmp_path))[0])
    assert "no difference here can be tested for significance" in markdown
    assert "| attention | 1 | 60.0 | +10.0 | 60.0 |" in markdown.replace("| – ", "")


def test_the_same_method_and_seed_twice_is_refused(runs):
    write_run(runs, "last", 1, {"de": 0.5}, tag="again")
    with pytest.raises(ValueError, match="found the method 'last' with seed 1 .* again"):
        read_runs(runs)


@pytest.mark.parametrize(
    "content, found",
    [("{", "Expecting property name"), ('{"format": "x"}', "format = 'x'"), ("[]", "list")],
)
def test_a_damaged_scores_file_is_named(tmp_path, content, found):
    (tmp_path / "scores.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"scores\.json: found .*" + re.escape(found)):
        read_runs(tmp_path)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found no scores.json below it"):
        read_runs(tmp_path)


def test_scores_of_the_source_alone_make_no_report(tmp_path):
    write_run(tmp_path, "last", 1, {"en": 0.5})
    with pytest.raises(ValueError, match="found 1 without a target language"):
        compare(read_runs(tmp_path))


def test_the_readme_gets_the_table_and_keeps_the_rest(runs, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Ours\n\n<!-- dlfa:scores -->\nold table\n<!-- dlfa:scores -->\n\nEnd.\n",
        encoding="utf-8",
    )
    write_report(runs, tmp_path / "out", readme=readme, figures=False)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# Ours\n") and text.endswith("\n\nEnd.\n")
    assert "old table" not in text and "| dlfa-product | 2 | 58.0" in text
    again = readme.read_text(encoding="utf-8")
    write_report(runs, tmp_path / "out", readme=readme, figures=False)
    assert readme.read_text(encoding="utf-8") == again


def test_a_readme_without_markers_is_left_alone_and_nothing_is_written(runs, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# Ours\n<!-- dlfa:scores -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="found the marker .* 1 times, expected twice"):
        write_report(runs, tmp_path / "out", readme=readme, figures=False)
    assert readme.read_text(encoding="utf-8") == "# Ours\n<!-- dlfa:scores -->\n"
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="0 times"):
        insert_between_markers(readme, "x", marker="<!-- other -->")


class Page(HTMLParser):
    """Collects ids, links and open tags."""

    VOID = {"meta", "br", "img", "link", "hr", "use"}

    def __init__(self):
        super().__init__()
        self.ids: list[str] = []
        self.external: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            if key in ("src", "href", "xlink:href") and not value.startswith("#"):
                self.external.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_outside(runs, tmp_path):
    pytest.importorskip("matplotlib")
    write_run(runs, "last", 1, {"de": 0.1, "fr": 0.2}, tokens="raw", tag="raw")
    write_report(runs, tmp_path / "out", title="Scores <of> 'ours'")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.external == []
    assert len(page.ids) == len(set(page.ids))
    assert "Scores &lt;of&gt; &#39;ours&#39;" in text
    assert "prefers-color-scheme: dark" in text and "currentColor" in text
    # The runs of gold tokens, dot by dot; raw text has one method only.
    assert text.count("<svg") == 1


def test_the_same_runs_make_the_same_page(runs, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a", "b"):
        write_report(runs, tmp_path / name)
    for name in ("report.html", "report.md", "report.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_names_from_files_cannot_inject_markup(tmp_path):
    pytest.importorskip("matplotlib")
    write_run(tmp_path / "runs", "last", 1, {"de": 0.5})
    write_run(tmp_path / "runs", "a", 1, {"de": 0.5}, tag="x")
    path = next((tmp_path / "runs").rglob("a-1-x/scores.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["run"]["variant"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(content), encoding="utf-8")
    write_report(tmp_path / "runs", tmp_path / "out")
    assert "<script>alert" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_csv_holds_every_value_of_every_run(runs, tmp_path):
    write_report(runs, tmp_path / "out", figures=False)
    with (tmp_path / "out" / "report.csv").open(encoding="utf-8", newline="") as file_:
        rows = list(csv.DictReader(file_))
    assert len(rows) == 15
    chosen = [r for r in rows if r["run"] == "dlfa-product-2" and r["language"] == "de"]
    assert [(r["task"], r["metric"], float(r["value"])) for r in chosen] == [("ner", METRIC, 0.74)]


def test_the_command_writes_the_report_and_names_errors(runs, tmp_path):
    run = CliRunner().invoke
    result = run(app, ["report", str(runs), str(tmp_path / "out"), "--no-figures"])
    assert result.exit_code == 0, result.output
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.html",
        "report.md",
        "report.csv",
    }
    result = run(app, ["report", str(tmp_path / "nowhere"), str(tmp_path / "x")])
    assert result.exit_code == 1 and "found no scores.json" in result.output
    result = run(app, ["report", "--help"], env={"COLUMNS": "160"})
    assert result.exit_code == 0 and "Examples" in result.output
