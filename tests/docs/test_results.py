"""What the pages say about measured scores is what the committed tables hold."""

import json

import pandas
import pytest
from places import ROOT

RESULTS = ROOT / "docs" / "results"
MAIN = {
    "pos": "pos_token_accuracy",
    "ner": "ner_span_f1",
    "ner-uner": "ner_span_f1",
    "topic": "textcat_accuracy",
    "sentiment": "textcat_accuracy",
    "xnli": "textcat_accuracy",
    "pawsx": "textcat_accuracy",
}
SINGLE, DLFA, CONTROL = "layer//7", "dlfa/sigmoid/7", "control/sigmoid/"


def targets(name: str, task: str) -> pandas.DataFrame:
    """RETURNS (DataFrame): In percent, the mean over target languages, a row a seed and a column
    a method: aggregator/gate/layer."""
    table = pandas.read_csv(RESULTS / f"{name}.csv", keep_default_na=False, dtype={"layer": str})
    table = table[(table.task == task) & (table.metric == MAIN[task]) & (table.language != "en")]
    method = table.aggregator + "/" + table.gate + "/" + table.layer
    found = 100 * table.groupby(["seed", method]).value.mean().unstack()
    return found.rename(columns=lambda name: name.rstrip("/") if name.endswith("//") else name)


def gain(table: pandas.DataFrame, method: str, over: str) -> float:
    """RETURNS (float): The mean difference over the seeds."""
    return float((table[method] - table[over]).mean())


def said(*place: str) -> str:
    """RETURNS (str): A page as one line."""
    return " ".join(ROOT.joinpath(*place).read_text(encoding="utf-8").split())


FROZEN = ("pos", "ner", "ner-uner")


@pytest.fixture(scope="module")
def frozen() -> list[pandas.DataFrame]:
    return [targets("frozen_main", task) for task in FROZEN]


def test_every_method_has_every_seed_on_the_three_corpora(frozen: list[pandas.DataFrame]) -> None:
    for table in frozen:
        assert set(table) == {"last", "scalar", "attention", SINGLE, DLFA, CONTROL}
        assert len(table) >= 3 and not table.isna().any().any()


def test_what_is_said_of_frozen_encoders_is_what_was_measured(
    frozen: list[pandas.DataFrame],
) -> None:
    text = said("docs", "results", "frozen.md")

    def over(method: str, other: str) -> list[str]:
        return [f"{gain(table, method, other):.1f}" for table in frozen]

    pos, ner, uner = over(SINGLE, "last")
    assert (
        f"gains {pos} points of tag accuracy, {ner} of entity F1 on PAN-X and {uner} on "
        "Universal NER" in text
    )
    away = max(abs(gain(table, "scalar", SINGLE)) for table in frozen)
    assert f"within {away:.1f} points of layer 7 on all three" in text
    pos, ner, uner = over(DLFA, CONTROL)
    assert f"gains {pos}, {ner} and {uner} points over its control" in text
    pos, ner, uner = over(DLFA, SINGLE)
    assert f"gains {ner} points on PAN-X, and nothing on the other two ({pos} and {uner})" in text
    pos, ner, _ = over(CONTROL, "last")
    assert f"on tags ({pos}), and {ner} points better on PAN-X" in text
    pos, ner, uner = (f"{gain(table, 'attention', 'last'):+.1f}" for table in frozen)
    assert f"in the mean ({pos}, {ner}, {uner})" in text
    pos, ner, uner = (f"{(table['attention'] - table['last']).std():.1f}" for table in frozen)
    assert f"(± {pos}, {ner}, {uner})" in text


def test_what_the_front_page_says_is_what_was_measured(frozen: list[pandas.DataFrame]) -> None:
    text = said("README.md")
    found = text.split("What layers bring")[1].split("What `make run` itself")[0]
    assert found.count(" - ") == 5 and len(frozen[0]) == 3 and "three seeds" in found
    pos, ner, _ = (f"{gain(table, SINGLE, 'last'):.1f}" for table in frozen)
    assert f"Layer 7 alone is {pos} points of tag accuracy and {ner} points of PAN-X F1" in found
    away = max(abs(gain(table, "scalar", SINGLE)) for table in frozen)
    assert f"to within {away:.1f} points" in found
    ahead = [gain(table, DLFA, CONTROL) for table in frozen]
    assert f"is {min(ahead):.1f} to {max(ahead):.1f} points ahead of its control" in found
    over = [gain(table, DLFA, SINGLE) for table in frozen]
    assert f"only on PAN-X ({over[1]:.1f})" in found and over[1] == max(over) and over[0] < 0
    spread = [(table["attention"] - table["last"]).std() for table in frozen]
    assert f"from {min(spread):.1f} to {max(spread):.1f} points of standard deviation" in found


def test_what_is_said_of_the_shipped_pipeline_s_layers_is_what_chose_them() -> None:
    chosen = json.loads((ROOT / "assets" / "xx_dlfa_ner" / "chosen.json").read_text("utf-8"))
    for task in ("ner", "pos"):
        found = chosen["tasks"][task]["development"]
        assert found["H7-8"] > found["last"]
