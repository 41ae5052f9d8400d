"""What the pages say about measured scores is what the committed tables hold."""

import json

import pandas
import pytest
from places import ROOT

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


def test_what_is_said_of_entities_is_what_was_measured() -> None:
    page = ROOT / "docs" / "results" / "tagging.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
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


def result(name: str) -> pandas.DataFrame:
    return pandas.read_csv(ROOT / "docs" / "results" / f"{name}.csv", keep_default_na=False)


def said_of_alignment() -> str:
    text = (ROOT / "docs" / "results" / "alignment.md").read_text(encoding="utf-8")
    return " ".join(text.split("## Retrieval and CKA")[0].split())


@pytest.mark.parametrize("group, before, after", [(True, "64.1", "74.1"), (False, "81.8", "90.0")])
def test_what_is_said_of_retrieval_is_what_was_measured(
    group: bool, before: str, after: str
) -> None:
    table = result("alignment")
    table = table[(table.level == "sentences") & (table.layer == 6) & (table.centred == "False")]
    aligned = table.language.isin("ar cs de es fi fr hi ko ru tr zh".split())
    table = table[aligned if group else ~aligned]
    mean = (table.csls_to_en.astype(float) + table.csls_from_en.astype(float)) / 2
    found = 100 * mean.groupby(table.encoder).mean()
    assert [f"{found['initial']:.1f}", f"{found['labse']:.1f}"] == [before, after]
    assert f"{before} to {after}" in said_of_alignment()
    assert found.idxmax() == "labse" and found["realign"] > found["realign-lower"]
    assert found["cao"] < found["initial"] and found["realign-lower"] > found["initial"]


def zero_shot(metric: str) -> pandas.DataFrame:
    """RETURNS (DataFrame): Mean over target languages, a row a seed and a column an encoder."""
    table = result("aligned")
    table = table[(table.metric == metric) & (table.language != "en")]
    return 100 * table.groupby(["seed", "encoder"]).value.mean().unstack()


def test_what_is_said_of_aligned_encoders_is_what_was_measured() -> None:
    text = said_of_alignment()
    spans, tags = zero_shot(SPAN_F1), zero_shot("pos_token_accuracy")
    assert len(spans) == len(tags) == 3
    said = [gain(spans, "ml-ctl", "bundled"), gain(spans, "bundled, centred", "bundled")]
    assert said == ["2.5", "0.7"] and gain(tags, "realign", "bundled") == "-0.6"
    assert "`ml-ctl` is 2.5" in text and "gives 0.7" in text and "`realign` loses 0.6" in text
    fused = result("aligned_fusion")
    fused = fused[(fused.metric == SPAN_F1) & (fused.language != "en")]
    dlfa = 100 * fused.groupby(["seed", "encoder"]).value.mean().unstack()
    gains = (dlfa - spans[dlfa.columns]).mean()
    assert [f"{gains[name]:.1f}" for name in ("bundled", "ml-ctl", "realign")] == [
        "4.9",
        "3.0",
        "3.0",
    ]
    assert "DLFA gains 4.9 on the bundled encoder, and 3.0 on `ml-ctl`" in text
    assert 0 < dlfa.mean()["ml-ctl"] - dlfa.mean()["bundled"] < 1


def test_what_is_said_of_cz_nce_is_what_was_measured() -> None:
    table = result("alignment_losses")
    after = 100 * table.pivot(index=["batch_size", "precision"], columns="loss", values="after")
    ahead = after.cz - after["info"]
    assert (
        len(ahead) == 10 and f"{ahead.min():.1f} to {ahead.max():.1f} points" in said_of_alignment()
    )
    assert after.max().max() < 100 * table.before.min()


def test_what_is_said_of_the_shipped_pipeline_s_layers_is_what_chose_them() -> None:
    chosen = json.loads((ROOT / "assets" / "xx_dlfa_ner" / "chosen.json").read_text("utf-8"))
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for task, what in (("ner", "entity F1"), ("pos", "tag accuracy")):
        found = chosen["tasks"][task]["development"]
        assert f"{100 * (found['H7-8'] - found['last']):.1f} points of {what}" in text
