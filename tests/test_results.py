"""What the pages say about measured scores is what the committed tables hold."""

from pathlib import Path

import pandas
import pytest

ROOT = Path(__file__).parent.parent
SPAN_F1, CHUNK_F1 = "ner_span_f1", "pos_chunk_f1_seqeval1"


def targets(name: str, metric: str) -> pandas.DataFrame:
    """RETURNS (DataFrame): Mean over target languages, a row a seed and a column a method."""
    table = pandas.read_csv(ROOT / "docs" / "results" / f"{name}.csv", keep_default_na=False)
    table = table[(table.metric == metric) & (table.language != "en")]
    method = (table.aggregator + "/" + table.gate).str.strip("/")
    return 100 * table.groupby(["seed", method]).value.mean().unstack()


def gain(table: pandas.DataFrame, method: str, over: str) -> str:
    """RETURNS (str): The mean difference over the seeds that both have."""
    return f"{(table[method] - table[over]).mean():.1f}"


@pytest.mark.parametrize("page", ["README.md", "docs/results/tagging.md"])
def test_what_is_said_of_entities_is_what_was_measured(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    table = targets("tagging", SPAN_F1)
    said = [gain(table, f"dlfa/{gate}", "last") for gate in ("sigmoid", "product")]
    said += [gain(table, f"dlfa/{gate}", f"control/{gate}") for gate in ("sigmoid", "product")]
    layers = targets("layers", SPAN_F1)
    said.append(gain(layers, "reinit:5-6", "last"))
    assert said == ["7.5", "6.4", "6.2", "4.0", "9.2"]
    assert all(number in text for number in said)


def test_what_is_said_of_parts_of_speech_is_what_was_measured() -> None:
    table = targets("tagging", CHUNK_F1)
    found = [gain(table, method, "last") for method in ("scalar", "dlfa/product")]
    assert found == ["0.5", "0.5"]
    assert gain(table, "dlfa/product", "control/product") == "0.6"
    assert abs(float(gain(table, "dlfa/product", "scalar"))) < 0.1


def test_every_method_of_the_acceptance_experiment_has_five_seeds_on_both_tasks() -> None:
    methods = ["last", "mean_upper", "scalar", "attention", "dlfa/product", "dlfa/sigmoid"]
    for metric in (SPAN_F1, CHUNK_F1):
        assert not targets("tagging", metric)[[*methods, "control/product"]].isna().any().any()
        assert len(targets("tagging", metric)) == 5
