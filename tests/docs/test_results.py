"""What the pages say about measured scores is what the committed tables hold."""

import json
import runpy

import pandas
import pytest
from places import ROOT
from scipy.stats import ttest_rel

from dlfa_spacy.report.compare import compare
from dlfa_spacy.report.html import p_value
from dlfa_spacy.report.sweep_runs import read_sweeps

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
        assert len(table) == 10 and not table.isna().any().any()


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
    ahead = frozen[1][DLFA] - frozen[1][SINGLE]
    p = p_value(ttest_rel(frozen[1][DLFA], frozen[1][SINGLE]).pvalue)
    assert ahead.min() > 0 and f"({ahead.min():.1f} to {ahead.max():.1f}; p = {p})" in text
    lost = frozen[0][SINGLE] - frozen[0][DLFA]
    assert f"loss on tags ({lost.min():.1f} to {lost.max():.1f})." in text
    pos, ner, _ = over(CONTROL, "last")
    assert f"on tags ({pos}), and {ner} points better on PAN-X" in text
    pos, ner, uner = (f"{gain(table, 'attention', 'last'):+.1f}" for table in frozen)
    assert f"in the mean ({pos}, {ner}, {uner})" in text
    pos, ner, uner = (f"{(table['attention'] - table['last']).std():.1f}" for table in frozen)
    assert f"(± {pos}, {ner}, {uner})" in text


def test_what_is_said_of_every_layer_is_what_was_measured() -> None:
    text = said("docs", "results", "frozen.md").split("## Every layer")[1]
    tables = [targets("frozen_layers", task) for task in ("ner", "pos")]
    for table in tables:
        assert len(table) == 3 and table.shape[1] == 40 and not table.isna().any().any()
    ner, pos = (table.mean() for table in tables)
    single = [{x: table[f"layer//{x}"] for x in range(1, 13)} for table in (ner, pos)]
    assert [max(layers, key=layers.__getitem__) for layers in single] == [8, 6]
    assert f"is 8 for entities, with {single[0][8]:.1f} F1, and 6 for tags" in text
    assert f"for tags, with {single[1][6]:.1f} percent; the last has {ner['last']:.1f}" in text
    assert f"has {ner['last']:.1f} and {pos['last']:.1f}." in text
    assert f"the scalar mix has {ner['scalar']:.1f} and {pos['scalar']:.1f}." in text
    assert f"with {ner['mean_upper']:.1f} and {pos['mean_upper']:.1f}; attention" in text
    assert f"with {ner['attention']:.1f} and {pos['attention']:.1f}, does not" in text
    fused = {gate: [f"dlfa/{gate}/{x}" for x in range(1, 12)] for gate in ("sigmoid", "product")}
    best = ner[fused["sigmoid"]]
    assert best.idxmax() == "dlfa/sigmoid/8" and f"on layer 8 has {best.max():.1f}, ahead" in text
    lost, less, most = sorted(tables[0]["dlfa/sigmoid/8"] - tables[0]["layer//8"])
    assert f"by {less:.1f} and {most:.1f} with two seeds, behind by {-lost:.1f} with one." in text
    tags = pos[[*fused["sigmoid"], *fused["product"]]].max()
    assert tags < max(single[1].values()) and f"at best {tags:.1f}." in text
    ahead = [ner[f"dlfa/product/{x}"] - single[0][x] for x in range(1, 8)]
    assert min(ahead) > 0 and f"up to layer 7 for entities (there by {ahead[-1]:.1f})" in text
    assert ner["dlfa/product/8"] < single[0][8]
    assert all(pos[f"dlfa/product/{x}"] < single[1][x] for x in range(1, 12))
    regret = pandas.read_csv(RESULTS / "analysis" / "layer_regret.csv", keep_default_na=False)
    alone = regret[(regret.aggregator == "layer") & regret.metric.isin(MAIN.values())]
    found = alone.set_index(["criterion", "task"])
    chosen = [int(found.layer["source dev", task]) for task in ("ner", "pos")]
    assert chosen == [8, 5] and set(found.layer["cka"].astype(int)) == {6}
    (gated,) = regret[
        (regret.criterion == "source dev") & (regret.task == "ner") & (regret.gate == "sigmoid")
    ].to_dict("records")
    assert f"would choose layer {gated['layer']} for it" in text
    assert f"which has {100 * gated['score']:.1f}." in text
    near = 100 * max(found.regret["source dev"].max(), found.regret["cka"].max())
    far = [100 * found.regret["retrieval", task] for task in ("ner", "pos")]
    assert f"at most {near:.1f} points behind" in text
    assert f"{far[0]:.1f} and {far[1]:.1f} behind" in text


def test_what_is_said_of_learning_curves_is_what_was_measured() -> None:
    text = said("docs", "results", "curves.md")
    table = pandas.read_csv(RESULTS / "frozen_curves.csv", keep_default_na=False, dtype=str)
    table = table[(table.language != "en") & table.metric.isin(MAIN.values())]
    table = table.assign(
        method=table.aggregator + "/" + table.gate + "/" + table.layer,
        value=100 * table.value.astype(float),
    )
    by_seed = table.groupby(["task", "texts", "method", "seed"]).value.mean().unstack()
    assert list(by_seed) == ["0", "1", "2"] and not by_seed.isna().any().any()
    mean, sd = by_seed.mean(axis=1), by_seed.std(axis=1)
    sizes = {"ner": ("100", "500", "2000", "20000"), "pos": ("100", "500", "2000", "12544")}
    ner, pos = ({texts: mean[task, texts] for texts in sizes[task]} for task in sizes)
    layer, last, scalar, each = "layer//7", "last//", "scalar//", "attention//"
    assert f"has {pos['100'][layer]:.1f} percent after 100 sentences" in text
    assert f"last layer {pos['12544'][last]:.1f} after all 12,544" in text
    assert pos["100"][layer] > pos["12544"][last] and ner["500"][layer] > ner["20000"][last]
    found = f"{ner['500'][layer]:.1f} after 500, the last {ner['20000'][last]:.1f} after all 20,000"
    assert found in text
    assert {x.idxmax() for x in ner.values()} == {DLFA}
    assert "{:.1f}, {:.1f}, {:.1f} and {:.1f}.".format(*(x[DLFA] for x in ner.values())) in text
    over = [by_seed.loc["ner", x, DLFA] - by_seed.loc["ner", x, layer] for x in ner]
    gained = "gains {:.1f}, {:.1f}, {:.1f} and {:.1f}, and no seed"
    assert gained.format(*(x.mean() for x in over)) in text
    assert min(x.min() for x in over) > 0
    assert [x.idxmax() for x in pos.values()] == [scalar, scalar, layer, layer]
    found = f"({pos['100'][scalar]:.1f} and {pos['500'][scalar]:.1f}), and layer 7 after 2,000"
    assert f"{found} ({pos['2000'][layer]:.1f}) and all ({pos['12544'][layer]:.1f})." in text
    assert f"at most {max(x.max() - x[DLFA] for x in pos.values()):.1f} points" in text
    ahead = [[y[x][DLFA] - y[x][CONTROL] for x in y] for y in (ner, pos)]
    assert f"by {min(ahead[0]):.1f} to {max(ahead[0]):.1f} F1" in text
    assert f"by {min(ahead[1]):.1f} to {max(ahead[1]):.1f} points of accuracy" in text
    first, second = (f"{sd['ner', x, last]:.1f}" for x in ("100", "500"))
    assert f"the last layer is ± {first} after 100 sentences and ± {second} after 500" in text
    widest = [max(sd[task, x, each] for x in sizes[task]) for task in sizes]
    mix = f"the scalar mix ± {sd['ner', '100', scalar]:.1f} after 100"
    assert f"{mix}, and attention up to ± {widest[0]:.1f}, for tags ± {widest[1]:.1f};" in text
    spread = [sd["ner", x, DLFA] for x in ner]
    assert f"DLFA is ± {min(spread):.1f} to {max(spread):.1f}." in text
    tags, entities = pos["12544"], ner["20000"]
    found = f"{tags[each]:.1f} for tags (± {sd['pos', '12544', each]:.1f}), with layer 7 alone at"
    assert f"{found} {tags[layer]:.1f};" in text
    behind = entities[layer] - entities[each]
    found = (
        f"{entities[each]:.1f} (± {sd['ner', '20000', each]:.1f}), {behind:.1f} points behind it."
    )
    assert found in text


def test_what_is_said_of_topics_is_what_was_measured() -> None:
    text = said("docs", "results", "classification.md")
    table = targets("classification", "topic")
    assert len(table) == 3 and not table.isna().any().any()
    mean = table.mean()
    assert mean.idxmax() == "last" and f"with {mean['last']:.1f} percent" in text
    assert f"tags and entities, has {mean[SINGLE]:.1f}." in text
    behind = [-gain(table, name, "last") for name in ("mean_upper", "scalar", DLFA, "attention")]
    upper, scalar, dlfa, attention = (f"{value:.1f}" for value in behind)
    assert f"is {upper} points behind, the scalar mix {scalar}, DLFA on layer 7 {dlfa}" in text
    assert f"attention {attention}." in text
    dev = pandas.read_csv(
        RESULTS / "classification.csv", keep_default_na=False, dtype={"layer": str}
    )
    dev = dev[
        (dev.task == "topic")
        & (dev.language == "en")
        & (dev.split == "dev")
        & (dev.aggregator == "layer")
    ]
    assert dev[dev.metric == MAIN["topic"]].groupby("layer").value.mean().idxmax() == "11"
    assert f"which is {-gain(table, 'layer//11', 'last'):.1f} points behind" in text


def test_what_is_said_of_sentiment_is_what_was_measured() -> None:
    text = said("docs", "results", "classification.md")
    table = targets("classification", "sentiment")
    assert len(table) == 3 and not table.isna().any().any()
    mean = table[["last", "mean_upper", "scalar", "attention", DLFA, CONTROL]].mean()
    assert (mean.idxmin(), mean.idxmax()) == (CONTROL, "mean_upper")
    assert f"from {mean.min():.1f} (the control) to {mean.max():.1f} percent" in text
    assert f"with {mean['last']:.1f} for the last layer" in text
    assert "No method differs significantly from the last layer" in text


def test_what_is_said_of_pairs_is_what_was_measured() -> None:
    text = said("docs", "results", "pairs.md")
    xnli, pawsx = targets("pairs", "xnli"), targets("pairs", "pawsx")
    assert len(xnli) == len(pawsx) == 3
    mean = xnli.mean()
    assert mean.idxmax() == "last" and f"{mean['last']:.1f} percent in twelve" in text
    assert f"Layer 8 has {mean['layer//8']:.1f}, DLFA {mean[DLFA]:.1f}, its control" in text
    assert f"its control {mean[CONTROL]:.1f}; attention has {mean['attention']:.1f}" in text
    assert f"(± {xnli['attention'].std():.1f})" in text
    found = pawsx.mean()
    assert f"between {found.min():.1f} and {found.max():.1f} percent" in text and found.max() < 54.5
    table = pandas.read_csv(RESULTS / "pairs.csv", keep_default_na=False)
    table = table[(table.language == "en") & (table.split == "test")]
    table = table[table.metric == MAIN["xnli"]]
    english = 100 * table.groupby(["task", "aggregator"]).value.mean()
    assert f"{english['xnli', 'last']:.1f} in English" in text
    least, most = english["pawsx", "last"], english["pawsx", "attention"]
    assert (english["pawsx"].min(), english["pawsx"].max()) == (least, most)
    assert f"have {least:.1f} (the last layer) to {most:.1f} (attention)" in text


def test_what_is_said_of_frozen_pairs_is_what_was_measured() -> None:
    text = said("docs", "results", "pairs_frozen.md")
    table = targets("pairs_frozen", "xnli")
    assert len(table) == 3 and not table.isna().any().any()
    mean = table.mean().to_dict()
    assert max(mean, key=mean.__getitem__) == "scalar"
    assert f"**{mean['scalar']:.1f} percent in twelve languages** with a scalar mix" in text
    assert f"{mean['layer//11']:.1f} with layer 11" in text
    assert f"the last layer has {mean['last']:.1f}. The mix" in text
    ahead = table["scalar"] - table["last"]
    (made,) = compare(read_sweeps(RESULTS / "pairs_frozen.csv"))
    (mix,) = (row.against_baseline for row in made.rows if row.variant == "scalar-mix")
    found = f"by {ahead.min():.1f} to {ahead.max():.1f} with each seed"
    assert ahead.min() > 0 and mix is not None
    assert f"{found}, which three seeds do not tell apart (p = {p_value(mix.p)})" in text
    layers = [mean[f"layer//{layer}"] for layer in range(7, 12)]
    assert layers == sorted(layers)
    assert f"the mean rises from {layers[0]:.1f} to {layers[-1]:.1f}" in text
    assert f"with layer 7 it has {mean[DLFA]:.1f}, and its control" in text
    assert f"a random map, {mean[CONTROL]:.1f}" in text
    assert f"has {targets('pairs', 'xnli')['last'].mean():.1f}](pairs.md)" in text


def test_what_the_front_page_says_is_what_was_measured(
    frozen: list[pandas.DataFrame], tuned: pandas.DataFrame
) -> None:
    text = said("README.md")
    found = text.split("What the layers bring")[1].split("## Speed")[0]
    assert found.count(" - ") == 5 and len(frozen[0]) == 10 and "ten seeds" in found
    pos, ner, _ = (f"{gain(table, SINGLE, 'last'):.1f}" for table in frozen)
    assert f"Layer 7 alone is {pos} points of tag accuracy and {ner} points of PAN-X F1" in found
    away = max(abs(gain(table, "scalar", SINGLE)) for table in frozen)
    assert f"to within {away:.1f} points" in found
    ahead = [gain(table, DLFA, CONTROL) for table in frozen]
    assert f"is {min(ahead):.1f} to {max(ahead):.1f} points ahead of its control" in found
    over = [gain(table, DLFA, SINGLE) for table in frozen]
    assert f"only on PAN-X ({over[1]:.1f}), with each seed" in found and max(over[0], over[2]) < 0
    assert (frozen[1][DLFA] > frozen[1][SINGLE]).all()
    spread = [(table["attention"] - table["last"]).std() for table in frozen]
    assert f"from {min(spread):.1f} to {max(spread):.1f} points of standard deviation" in found
    moved = tuned[(tuned.regime == "fine-tuned, head") & (tuned.texts == "500")]
    moved = moved.groupby(["method", "seed"]).value.mean()
    last, dlfa = (f"{moved[method].mean():.1f}" for method in ("last", DLFA))
    assert f"the last layer has {last} PAN-X F1 in nine languages, DLFA {dlfa}." in found


def test_what_is_said_of_the_shipped_pipeline_s_layers_is_what_chose_them() -> None:
    chosen = json.loads((ROOT / "assets" / "xx_dlfa_ner" / "chosen.json").read_text("utf-8"))
    for task in ("ner", "pos"):
        found = chosen["tasks"][task]["development"]
        assert found["H7-8"] > found["last"]


def test_what_is_said_of_a_monolingual_teacher_is_what_was_measured() -> None:
    text = said("docs", "results", "distilled.md")
    rows = pandas.read_csv(RESULTS / "distilled.csv")
    kind = rows.language.where(rows.language == "en", "others")
    seeds = 100 * rows.groupby(["texts", "labels", kind, "seed"]).accuracy.mean()
    mean, sd = (seeds.groupby(level=[0, 1, 2]).agg(how) for how in ("mean", "std"))
    for labels in ("soft", "smoothed", "hard"):
        assert seeds["gold", labels].round(6).equals(seeds["gold", "gold"].round(6))
    soft, gold = ("both", "soft"), ("gold", "gold")
    assert f"has {mean[(*soft, 'en')]:.1f} percent in English with soft labels" in text
    assert f"{mean[(*gold, 'en')]:.1f} on the annotated ones" in text
    assert f"the teacher has {mean['gold', 'teacher', 'en']:.1f}." in text
    ours, theirs = (*gold, "others"), (*soft, "others")
    assert (
        f"falls from {mean[ours]:.1f} (± {sd[ours]:.1f}) to {mean[theirs]:.1f} "
        f"(± {sd[theirs]:.1f})" in text
    )
    control = mean["both", "smoothed", "others"]
    assert f"same entropy: {mean[theirs]:.1f} and {control:.1f}." in text
    for labels in ("soft", "smoothed", "hard"):
        apart = seeds["both", labels, "others"] - seeds["gold", "gold", "others"]
        assert abs(apart.mean()) < 2 * apart.std()
    page = (RESULTS / "distilled.md").read_text(encoding="utf-8")
    table = runpy.run_path(str(RESULTS / "write_distilled.py"))["table"](rows)
    assert table.strip() in page


def test_what_is_said_of_few_sentences_is_what_was_measured() -> None:
    text = said("docs", "results", "few_shot.md")
    rows = pandas.read_csv(RESULTS / "few_shot.csv", keep_default_na=False)
    rows = rows[rows.metric == MAIN["ner"]]
    own = rows.scored == rows.language
    target, english = (
        100 * rows[which].groupby(["regime", "texts"]).value.mean() for which in (own, ~own)
    )
    alone, mixed = target["alone"], target["with en"]
    ten, fifty, most = (f"{alone[n] - alone[0]:.1f}" for n in (10, 50, 200))
    assert f"Ten sentences bring {ten} F1, fifty {fifty}, two hundred {most}" in text
    for code in ("ar", "de"):
        by = 100 * rows[own & (rows.language == code)].groupby(["regime", "texts"]).value.mean()
        assert f"{code} from {by['alone', 0]:.1f} to {by['alone', 200]:.1f}" in text
    lost = english["alone", 0] - english
    assert (
        f"falls by {lost['alone', 200]:.1f} F1 after 200 sentences of another language, from "
        f"{english['alone', 0]:.1f}." in text
    )
    assert f"with 200 and 200 it falls by {lost['with en', 200]:.1f}." in text
    assert f"({lost['with en', 10]:.1f}; alone {lost['alone', 10]:.1f})" in text
    more = (mixed - alone)[[10, 50, 200]]
    assert f"is {more.min():.1f} to {more.max():.1f} higher with it" in text


@pytest.fixture(scope="module")
def tuned() -> pandas.DataFrame:
    """Entity F1 in percent of target languages, a row a run and language."""
    table = pandas.read_csv(RESULTS / "tuned.csv", keep_default_na=False, dtype=str)
    table = table[(table.language != "en") & (table.metric == MAIN["ner"])]
    method = (table.aggregator + "/" + table.gate + "/" + table.layer).str.rstrip("/")
    return table.assign(value=100 * table.value.astype(float), method=method)


def test_what_is_said_of_an_upper_half_that_moves_is_what_was_measured(
    tuned: pandas.DataFrame,
) -> None:
    text = said("docs", "results", "tuned.md")
    half = tuned[tuned.regime == "upper half"]
    by_seed = half.groupby(["seed", "method"]).value.mean().unstack()
    assert list(by_seed.index) == ["0", "1", "2"] and set(half.texts) == {"100"}
    mean = by_seed.mean()
    dlfa, control = (by_seed[method.rstrip("/")] for method in (DLFA, CONTROL))
    assert f"last layer least, {mean['last']:.1f}: attention {mean['attention']:.1f}," in text
    assert f"scalar mix {mean['scalar']:.1f}, layer 8 {mean['layer//8']:.1f}, DLFA" in text
    assert f"DLFA {dlfa.mean():.1f}, its control {control.mean():.1f}. DLFA is" in text
    for of, name in (("last", "the last layer"), ("layer//8", "layer 8")):
        ahead = dlfa - by_seed[of]
        assert f"of {name} (by {ahead.min():.1f} to {ahead.max():.1f})" in text
    over = dlfa - control
    assert f"not of its control ({over.mean():+.1f} ± {over.std():.1f})" in text
    whole = tuned[(tuned.regime == "fine-tuned, head") & (tuned.texts == "100")]
    assert (mean < whole.groupby("method").value.mean()[mean.index]).all()
    assert mean.idxmin() == "last"
    least = min(corrected("ner", "upper half").values())
    assert f"(p = {p_value(least)} at the least)" in text


def test_what_is_said_of_embeddings_that_move_is_what_was_measured(
    tuned: pandas.DataFrame,
) -> None:
    text = said("docs", "results", "tuned.md")
    moved = tuned[tuned.regime == "with embeddings"]
    assert set(moved.seed) == {"0", "1", "2"} and set(moved.texts) == {"100"}
    by_seed = moved.groupby(["seed", "method"]).value.mean().unstack()
    mean = by_seed.mean()
    still = tuned[(tuned.regime == "fine-tuned, head") & (tuned.texts == "100")]
    still = still[still.method == "last"].value.mean()
    assert f"last layer has {mean['last']:.1f}, with them frozen {still:.1f};" in text
    control = CONTROL.rstrip("/")
    found = (
        f"layer 8 {mean['layer//8']:.1f}, DLFA {mean[DLFA]:.1f}, its control {mean[control]:.1f}."
    )
    assert found in text
    over = by_seed[DLFA] - by_seed[control]
    assert f"its control ({over.mean():+.1f} ± {over.std():.1f})" in text
    p = corrected("ner", "with embeddings")["dlfa-sigmoid@7"]
    assert f"not told apart from the last layer (p = {p_value(p)})" in text


def corrected(task: str, regime: str, texts: int = 100) -> dict[str, float]:
    """RETURNS (Dict[str, float]): Of each method its corrected p against the last layer, after so
    many sentences."""
    wanted = (task, regime, texts)
    runs = [
        run
        for run in read_sweeps(RESULTS / "tuned.csv")
        if (run.setting.eval_data, run.setting.regime, run.setting.texts) == wanted
    ]
    (made,) = (x for x in compare(runs) if x.is_main)
    return {row.variant: row.against_baseline.p for row in made.rows if row.against_baseline}


def test_what_is_said_of_2000_sentences_is_what_was_measured(tuned: pandas.DataFrame) -> None:
    text = said("docs", "results", "tuned.md")
    head = tuned[tuned.regime == "fine-tuned, head"]
    by_seed = head.groupby(["texts", "method", "seed"]).value.mean().unstack()
    most, control = by_seed.loc["2000"], CONTROL.rstrip("/")
    assert not most.loc[["last", DLFA, control]].isna().any(axis=None)
    assert (most.idxmax() == "last").all() and not most.loc[
        ["layer//8", "scalar"], "1":
    ].any().any()
    mean = most.mean(axis=1)
    found = (
        f"has {mean['last']:.1f} and is ahead of each other method with each seed that it shares"
    )
    assert f"{found}: DLFA {mean[DLFA]:.1f}, its control {mean[control]:.1f}," in text
    found = f"layer 8 {mean['layer//8']:.1f} and scalar mix {mean['scalar']:.1f}, where the last"
    assert f"{found} layer has {most.loc['last', '0']:.1f}." in text
    least = min(corrected("ner", "fine-tuned, head", 2000).values())
    assert f"None is told apart (p = {p_value(least)}). Over" in text
    over = [(by_seed.loc[x, DLFA] - by_seed.loc[x, "last"]).mean() for x in ("100", "500", "2000")]
    found = "has {:+.1f} after 100 sentences, {:+.1f} after 500 and {:+.1f} after 2,000."
    assert found.format(*over) in text


def test_what_is_said_of_fine_tuning_is_what_was_measured(tuned: pandas.DataFrame) -> None:
    text = said("docs", "results", "tuned.md")
    keys = ["regime", "texts", "method", "seed"]
    seeds = tuned.groupby(keys).value.mean()
    chinese = tuned[tuned.language == "zh"].groupby(keys[:3]).value.mean()
    layer, control, n = "layer//8", CONTROL.rstrip("/"), "500"
    plain, head, frozen = "fine-tuned", "fine-tuned, head", "frozen"

    def mean(regime: str, method: str = "last") -> str:
        return f"{seeds[regime, n, method].mean():.1f}"

    def over(regime: str, *methods: str) -> list[str]:
        last = seeds[regime, n, "last"]
        return [f"{(seeds[regime, n, method] - last).mean():+.1f}" for method in methods]

    assert len(seeds[plain, n, "last"]) == len(seeds[head, n, "last"]) == 3
    one, two = (
        (f"{seeds[x, n, 'last'].mean():.1f} (± {seeds[x, n, 'last'].std():.1f})")
        for x in ("one rate", plain)
    )
    assert f"has {one} at one rate of 1e-4 for both, {two} at two" in text
    assert f"and {mean(head)} with the head" in text
    zh = [f"{chinese[x, n, 'last']:.1f}" for x in (head, plain)]
    assert f"in Chinese {zh[0]} instead of {zh[1]}" in text
    assert f"{mean(frozen)} frozen with the same head" in text
    assert f"goes from {mean(frozen, layer)} to {mean(head, layer)}" in text
    eighth, mix, dlfa, fixed = over(head, layer, "scalar", DLFA, control)
    assert f"layer 8 {eighth}, scalar mix {mix}, DLFA {dlfa}, its control {fixed}" in text
    assert (
        "Without the head they are {}, {} and {}".format(*over(plain, layer, DLFA, control)) in text
    )
    few = tuned[(tuned.regime == head) & (tuned.texts == "100")]
    few = few.pivot_table(index=["seed", "language"], columns="method", values="value")
    by_seed = few.groupby("seed").mean()
    ahead = by_seed.sub(by_seed["last"], axis=0)
    eighth, mix, each, dlfa, fixed = (
        f"{ahead[x].mean():+.1f}" for x in (layer, "scalar", "attention", DLFA, control)
    )
    found = (
        f"last layer's {by_seed['last'].mean():.1f} layer 8 {eighth}, scalar mix {mix}, attention"
    )
    assert f"{found} {each}, DLFA {dlfa}, its control {fixed}." in text and len(by_seed) == 3
    assert f"(by {ahead[DLFA].min():.1f} to {ahead[DLFA].max():.1f})" in text
    russian = few.xs("ru", level="language")
    assert f"(Russian loses {(russian['last'] - russian[DLFA]).mean():.1f})" in text
    fixed = by_seed[DLFA] - by_seed[control]
    assert f"control ({fixed.mean():+.1f} ± {fixed.std():.1f})" in text
    assert f"none is told apart (p = {p_value(min(corrected('ner', head).values()))})" in text
    ways = ("code switching", "synonyms", "random perturbation", "L2 to the start")
    switched, words, moved, drawn = (mean(way) for way in ways)
    assert f"code switching with {switched}, as many English synonyms {words}" in text
    assert f"random perturbation {moved}, L2 to the start {drawn}, and {mean(head)} as" in text
    advice = said("docs", "transfer.md")
    assert f"{one} at one rate of 1e-4, {two} at two rates, {mean(head)} with a head" in advice


def beside(task: str) -> tuple[pandas.DataFrame, pandas.DataFrame, pandas.Series]:
    """RETURNS: Of a task's main metric in percent the rows; the mean over target languages, a row a
    regime and a column a seed; and English, a regime each, the mean over seeds."""
    table = pandas.read_csv(RESULTS / "beside.csv", keep_default_na=False, dtype=str)
    table = table[(table.task == task) & table.metric.isin(MAIN.values())]
    table = table.assign(value=100 * table.value.astype(float))
    by_seed = table[table.language != "en"].groupby(["regime", "seed"]).value.mean().unstack()
    english = table[(table.language == "en") & (table.split == "test")]
    return table, by_seed, english.groupby("regime").value.mean()


def test_what_is_said_of_losses_beside_the_task_is_what_was_measured() -> None:
    text = said("docs", "results", "beside.md")
    table, by_seed, english = beside("ner")
    # Three seeds, 100 sentences, nine languages.
    assert set(table.seed) == {"0", "1", "2"} and set(table.texts) == {"100"}
    assert set(table.groupby(["regime", "seed"]).language.nunique()) == {10}
    mean = by_seed.mean(axis=1)
    sd = by_seed.std(axis=1)
    ways = ("multi-task", "preserve", "realign", "adjust", "adversarial perturbation")
    together, kept, words, moved, against = (f"{mean[way]:.1f}" for way in ways)
    plain = "fine-tuned, head"
    assert f"plain training** ({mean[plain]:.1f})" in text
    assert f"(`multi-task`) {together}" in text and f"(`preserve`, GEM) {kept}" in text
    assert f"(`realign`) {words}" in text and f"(`adjust`) {moved}" in text
    assert f"(`adversarial perturbation`) {against}, copies with synonyms" in text
    copies, switched = (by_seed.loc[f"{way} beside"] for way in ("synonyms", "code switching"))
    assert f"copies with synonyms {copies.mean():.1f}." in text
    ahead = by_seed - by_seed.loc[plain]
    assert (ahead.loc[[*ways]] > 0).all(axis=1).to_dict() == {
        way: way == "preserve" for way in ways
    }
    assert f"by {ahead.loc['preserve'].min():.1f} to {ahead.loc['preserve'].max():.1f}." in text
    over_sum = by_seed.loc["preserve"] - by_seed.loc["multi-task"]
    assert f"ahead by {over_sum.mean():.1f} in the mean" in " ".join(text.split())
    assert (over_sum < 0).sum() == 1
    p = {way: ttest_rel(by_seed.loc[way], by_seed.loc[plain]).pvalue for way in ways}
    assert min(p.values()) > 0.1
    assert by_seed.notna().all(axis=None)
    behind, over = copies - switched, by_seed.loc["EAR"] - copies
    found = (
        f"{switched.mean():.1f} is {behind.mean():.1f} (± {behind.std():.1f}) behind the synonyms"
    )
    assert f"code switching with {found}" in text
    found = f"{mean['EAR']:.1f} is {over.mean():.1f} (± {over.std():.1f}) ahead of them."
    assert f"EAR with {found}" in text
    for way in (switched, by_seed.loc["EAR"]):
        assert ttest_rel(way, copies).pvalue > 0.1
    spread = f"{sd['realign']:.1f} with `realign` and {sd['adjust']:.1f} with `adjust`"
    assert f"{spread}, {sd[plain]:.1f} without" in text
    worst = [-ahead.loc[way].min() for way in ("realign", "adjust")]
    assert f"one seed loses {worst[0]:.1f} and {worst[1]:.1f} by them" in text
    others = ahead.loc[["realign", "adjust"], ["0", "1"]]
    assert f"lose up to {others.abs().max(axis=None):.1f}." in text
    three = [english[way] for way in ways[:4]]
    assert f"{english[plain]:.1f}, and between {min(three):.1f} and {max(three):.1f} with" in text
    assert f"{english[ways[-1]]:.1f} with perturbation" in text


def test_what_is_said_of_topics_with_losses_beside_them_is_what_was_measured() -> None:
    text = said("docs", "results", "beside.md")
    plain = "fine-tuned, head"
    copies, switched = "synonyms beside", "code switching beside"
    against, moved = "adversarial perturbation", "random perturbation"
    _, by_seed, english = beside("topic")
    assert list(by_seed) == ["0", "1", "2"] and by_seed.notna().all(axis=None)
    mean = by_seed.mean(axis=1)
    gain = by_seed - by_seed.loc[plain]
    over, spread = gain.mean(axis=1), gain.std(axis=1)

    def p(way: str, other: str = plain) -> float:
        return float(ttest_rel(by_seed.loc[way], by_seed.loc[other]).pvalue)

    def ahead(way: str, other: str) -> str:
        more = by_seed.loc[way] - by_seed.loc[other]
        assert more.min() > 0
        return f"{more.min():.1f} to {more.max():.1f}"

    assert mean.idxmax() == against and f"{mean[plain]:.1f} percent as the texts are" in text
    found = f"+{over[against]:.1f} ± {spread[against]:.1f}, p = {p(against):.2f}"
    assert f"{mean[against]:.1f} so (`{against}`, {found})." in text
    found = f"random {mean[moved]:.1f} (it is ahead by {ahead(against, moved)}"
    assert f"{found}, p = {p(against, moved):.3f})" in text
    found = f"as it is {mean['twice']:.1f} (by {ahead(against, 'twice')}"
    assert f"{found}, p = {p(against, 'twice'):.3f})" in text
    assert f"too: {english[plain]:.1f}, {english[against]:.1f} with it." in text
    found = f"+{over['multi-task']:.1f} ± {spread['multi-task']:.1f}, p = {p('multi-task'):.2f}"
    assert f"{mean['multi-task']:.1f} with translations brought together" in text
    assert f"(`multi-task`, {found}), {mean['realign']:.1f} with their words" in text
    assert f"(`realign`, +{over['realign']:.1f} ± {spread['realign']:.1f})" in text
    assert f"bring them to {mean[copies]:.1f}, and EAR, with" in text
    assert f"beside these, to {mean['EAR']:.1f}." in text
    assert mean[["multi-task", "realign", "EAR"]].max() < mean[copies] < mean[switched]
    found = f"with {mean[switched]:.1f}: by {ahead(switched, copies)} points with each seed"
    assert f"{found} (p = {p(switched, copies):.2f})" in text
    for page in ("transfer.md", "methods.md"):
        for way in (against, copies):
            assert f"{over[way]:.1f}" in said("docs", page), page
    assert f"is {mean['frozen'] - mean[plain]:.1f} behind the frozen encoder" in text
    frozen = f"({mean['frozen']:.1f}), which English does not show ({english[plain]:.1f}, frozen"
    assert f"{frozen} {english['frozen']:.1f})" in text
    one, two, three = (mean[way] - mean["frozen"] for way in (copies, switched, against))
    found = f"by {one:.1f} (synonyms), {two:.1f} (code switching) and {three:.1f} (adversarial"
    assert found in text
    assert f"`preserve` (GEM) {mean['preserve']:.1f}, ahead with two seeds" in text
    assert (gain.loc["preserve"] < 0).sum() == 1
    found = f"(`adjust`) {mean['adjust']:.1f}, ahead by {ahead('adjust', plain)}"
    assert f"{found} (p = {p('adjust'):.2f})." in text


def test_what_is_said_of_tags_with_losses_beside_them_is_what_was_measured() -> None:
    text = said("docs", "results", "beside.md")
    _, by_seed, english = beside("pos")
    plain = by_seed.loc["fine-tuned, head"]
    mean, ahead = by_seed.mean(axis=1), by_seed - plain
    three = ahead.drop("preserve")
    assert list(three) == ["0", "1", "2"] and three.notna().all(axis=None)
    both, against = ahead.loc["multi-task"], ahead.loc["adversarial perturbation"]
    assert f"**Tags hardly move**: {plain.mean():.1f} as the texts are" in text
    found = f"ahead by {both.min():.1f} to {both.max():.1f} with each seed"
    assert both.min() > 0 and f"{mean['multi-task']:.1f} with `multi-task`, {found}" in text
    p = ttest_rel(by_seed.loc["adversarial perturbation"], plain).pvalue
    found = f"ahead by {against.min():.1f} to {against.max():.1f} (p = {p:.2f})"
    assert f"{mean['adversarial perturbation']:.1f} with adversarial perturbation, {found}" in text
    kept = ahead.loc["preserve"].dropna()
    found = f"{mean['preserve']:.1f} with `preserve` (one seed, {-kept.iloc[0]:.1f} behind)"
    assert len(kept) == 1 and found in text
    lost = f"{english['synonyms beside']:.1f} in place of {english['fine-tuned, head']:.1f}."
    assert (ahead.loc["synonyms beside"] < 0).all()
    assert f"lose: {mean['synonyms beside']:.1f}, and in English {lost}" in text
    gains = f"tags {both.mean():.1f} points by translations and {against.mean():.1f} by that"
    assert gains in said("docs", "transfer.md")


def test_what_is_said_of_many_heads_is_what_was_measured() -> None:
    text = said("docs", "results", "heads.md")
    table = pandas.read_csv(RESULTS / "heads.csv", keep_default_na=False)
    table = table.assign(value=100 * table.value)
    is_dev = table.split == "dev"
    mean = table[(table.language != "en") & ~is_dev].groupby("regime").value.mean()
    dev = table[(table.language == "en") & is_dev].groupby("regime").value.mean()
    assert set(table.groupby("regime").seed.nunique()) == {3} and len(mean) == 6
    one, free, apart = ("one head", "32 heads, 0", "32 heads, 0.001")
    assert f"One head has {mean[one]:.1f} percent, 32 have {mean[free]:.1f}" in text
    assert f"{mean[apart]:.1f} with a weight of 0.001" in text
    assert {f"{dev[x]:.1f}" for x in (one, free, apart)} == {"87.9"} and "87.9 in each" in text
    more = [f"{mean[f'32 heads, {x}']:.1f}" for x in ("0.01", "0.1", "1")]
    assert "{} percent with 0.01, {} with 0.1, {} with 1.".format(*more) in text


def test_what_is_said_of_tags_and_fine_tuning_is_what_was_measured() -> None:
    text = said("docs", "results", "tuned.md")
    table = pandas.read_csv(RESULTS / "tuned.csv", keep_default_na=False, dtype=str)
    table = table[(table.language != "en") & (table.metric == MAIN["pos"])]
    method = (table.aggregator + "/" + table.gate + "/" + table.layer).str.rstrip("/")
    values = 100 * table.value.astype(float)
    by_seed = values.groupby([table.texts, table.regime, method, table.seed]).mean().unstack()
    mean, fixed = by_seed.mean(axis=1), CONTROL.rstrip("/")
    last, few = (mean[texts, "fine-tuned, head", "last"] for texts in ("500", "100"))
    assert f"{mean['500', 'frozen', 'last']:.1f} frozen, {last:.1f} fine-tuned" in text
    over = {
        texts: by_seed.loc[texts, "fine-tuned, head"]
        - by_seed.loc[texts, "fine-tuned, head", "last"]
        for texts in ("500", "100")
    }
    names = ("layer//8", "scalar", DLFA, fixed)
    layer, mix, dlfa, control = (f"{over['500'].loc[x].mean():+.1f}" for x in names)
    assert (
        f"over that layer 8 {layer}, scalar mix {mix}, DLFA {dlfa}, its control {control}" in text
    )
    assert f"With 100 sentences the last layer has {few:.1f}," in text
    layer, mix, dlfa, control = (f"{over['100'].loc[x].mean():+.1f}" for x in names)
    found = f"layer 8 brings {layer}, scalar mix {mix}, DLFA {dlfa}, its control {control}"
    each = f"{over['100'].loc['attention'].mean():+.1f}"
    assert f"{found}, attention {each}" in text
    assert (over["100"].loc[[DLFA, fixed]] > 0).all(axis=None)
    p = corrected("pos", "fine-tuned, head")
    found = " and ".join(p_value(p[x]) for x in ("dlfa-sigmoid@7", "control-sigmoid"))
    assert f"ahead with each seed (p = {found})" in text
    assert mean["100", "fine-tuned, head"].idxmax() == mean["500", "fine-tuned, head"].idxmax()
    assert mean["100", "fine-tuned, head"].idxmax() == fixed


def test_what_is_said_of_projection_is_what_was_measured() -> None:
    text = said("docs", "projection.md")
    table = pandas.read_csv(RESULTS / "projection_entities.csv", keep_default_na=False)
    found = {
        (row["target"], row["from"], row["confidence"]): row
        for row in table.to_dict(orient="records")
    }
    lost = [
        int(sum(found[x, "en", 0][y] for y in ("unlinked", "gap", "overlap"))) for x in ("de", "ru")
    ]
    n_english = found["de", "en", 0]["entities"]
    assert f"Of {n_english:,} English entities {lost[0]} were lost" in text
    assert f"to German, {lost[1]} on" in text
    for target, source in (("ru", "de"), ("de", "ru")):
        assert round(100 * found[target, f"gold {source}", 0]["f1"]) == 63
    gains = [100 * (found[x, "en", 0]["f1"] - found[x, "", 0]["f1"]) for x in ("de", "ru")]
    assert f"by {gains[0]:.1f} points" in text and abs(gains[1]) < 0.5
    right = [round(100 * found[x, "en", 0.8]["precision"]) for x in ("de", "ru")]
    assert f"{right[0]} and {right[1]} of 100 are right" in text
    layers = pandas.read_csv(RESULTS / "projection_layers.csv")
    words = 100 * layers[~layers.language.str.contains(",")].groupby("layer").f1.mean()
    assert "F1 is 97." in text and round(words[8]) == 97
    assert words[6:].max() - words[6:].min() < 1
    tags = pandas.read_csv(RESULTS / "projection_tags.csv")
    assert (tags.right < tags.zero_shot_tagged).all() and (tags.tagged.round(2) == 0.75).all()


def test_what_is_said_of_deployment_is_what_was_measured() -> None:
    text = said("docs", "deployment.md")
    table = pandas.read_csv(RESULTS / "deployment.csv")
    targets = table[table.language != "en"]
    # The mean over the languages of a task, then over the tasks.
    lost = targets.groupby(["pipeline", "metric"]).points_lost.mean().groupby("pipeline").mean()
    most = targets.groupby("pipeline").points_lost.max()
    speed = table.groupby("pipeline").words_per_second.first()
    speed /= speed["as it was"]
    everything = "--int8 --half --int8-embeddings --onnx"
    assert f"`--onnx` is {speed['--onnx']:.2f} times as fast, at no loss" in text
    assert round(lost["--onnx"], 2) == 0
    assert f"`--onnx --int8` is {speed[everything]:.2f} times as fast, and costs" in text
    assert f"costs {lost[everything]:.1f} points in the mean" in text
    assert f"up to {most[everything]:.1f} in one" in text
    assert f"{speed['--int8']:.2f} times as fast, and {lost['--int8']:.1f} points lost" in text
    for same in ("--half", "--int8-embeddings"):
        assert lost[same] == 0 and 0.9 < speed[same] < 1.1


def test_what_is_said_of_components_on_aligned_encoders_is_what_was_measured() -> None:
    text = said("docs", "results", "alignment.md")
    table = pandas.read_csv(RESULTS / "aligned.csv", keep_default_na=False)
    table = table.assign(value=100 * table.value)
    keys = ["task", "aggregator", "encoder"]
    assert set(table.groupby(keys).seed.nunique()) == {3}
    others = table[table.language != "en"]
    assert set(others.groupby(keys).language.nunique()) == {34}
    seeds = others.groupby([*keys, "seed"]).value.mean().unstack()
    mean, sd = seeds.mean(axis=1), seeds.std(axis=1)
    english = table[(table.language == "en") & (table.split == "test")].groupby(keys).value.mean()
    plain, best = "bundled", "realign"
    before, after = (mean["pos", "last", name] for name in (plain, best))
    assert (
        f"tags {before:.1f} to between {mean['pos', 'last', 'labse']:.1f} and {after:.1f}" in text
    )
    aligned = mean["ner", "last"].drop([plain, "bundled, centred"])
    found = f"entities {mean['ner', 'last', plain]:.1f} to between"
    assert f"{found} {aligned.min():.1f} and {aligned.max():.1f}" in text
    assert f"the last layer to {mean['pos', 'last', 'bundled, centred']:.1f} and" in text
    assert f"and {mean['ner', 'last', 'bundled, centred']:.1f}" in text
    lower = mean["pos", "layer"]
    assert f"from {lower[plain]:.1f} to between {lower.drop(plain).min():.1f} and" in text
    assert f"and {lower[best]:.1f} (`realign`)" in text and sd["pos", "layer"].max() <= 0.35
    change = english["pos", "layer"] - english["pos", "layer", plain]
    # English: by less than a fifth of a point.
    assert change.max() < 0.2 and lower.drop(plain).min() > lower[plain] + 1
    assert (
        mean[:, "last"].drop(plain, level="encoder").groupby("task").max() < mean[:, "layer", plain]
    ).all()
    assert f"seeds differ by {sd['ner', 'last', plain]:.1f}" in text
    entities = mean["ner", "layer"]
    assert f"{entities[plain]:.1f} as it came, {entities.drop(plain).min():.1f} to" in text
    assert f"to {entities.drop(plain).max():.1f} aligned" in text
    tags = others[(others.task == "pos") & (others.aggregator == "layer")]
    trained = tags.language.isin("ar de es fr hi nl pt ru zh".split())
    by_encoder = [tags[part].groupby("encoder").value.mean() for part in (trained, ~trained)]
    gains = [found[best] - found[plain] for found in by_encoder]
    assert f"by {gains[0]:.1f}, those that were held back by {gains[1]:.1f}" in text


def test_what_is_said_of_alignment_is_what_was_measured() -> None:
    text = said("docs", "results", "alignment.md")
    table = pandas.read_csv(RESULTS / "alignment.csv")
    last = table[table.layer == table.layer.max()].assign(
        found=lambda rows: 50 * (rows.csls_to_en + rows.csls_from_en)
    )
    plain = last[last.centred == 0]
    keys = ["encoder", "language"]
    words = plain[plain.level == "words"].set_index(keys).found
    mean = words.groupby("encoder").mean()
    said_of = {
        "labse": "`labse` {}, ", "ml-ctl": "`ml-ctl` {}, ", "multi-way": "`multi-way` {}, ",
        "cao": "`cao` {}, ", "cao-linked": "(`cao`, 95.2 and {})", "sense": "`sense` {}. ",
        "realign": "`realign` {} (",
        "realign-lower": "({} with the lower half frozen)", "ppa": "`ppa` {}.",
        "clbt": "dictionaries (`clbt`, {}) or", "clbt-centred": "dictionaries (`clbt`, {}) or",
        "clbt-linked": "(`clbt-linked`, {}), centred before or not",
        "clbt-centred-linked": "(`clbt-linked`, {}), centred", "teacher": "150 steps, words {}.",
        "mlm-joined": "`mlm` of joined texts {}, ", "adversarial": "masked language model {}.",
    }  # fmt: skip
    assert set(mean.index) == {"initial", *said_of}
    for name, found in said_of.items():
        assert found.format(f"{mean[name]:.1f}") in text, name
    assert f"{mean['initial']:.1f} in the mean of eleven languages; `labse`" in text
    centred = last[(last.centred == 1) & (last.level == "words") & (last.encoder == "initial")]
    assert f"has {centred.found.mean():.1f}: of the methods" in text
    assert mean[["labse", "ml-ctl"]].min() > centred.found.mean() + 0.5 > mean["cao"]
    trained = words.index.get_level_values("language").isin(["es", "fr", "zh"])
    gains = [(rows["labse"] - rows["initial"]).mean() for rows in (words[~trained], words[trained])]
    assert f"`labse` {gains[0]:.1f} and {gains[1]:.1f}." in text
    sentences = plain[plain.level == "sentences"].set_index(keys).found
    assert f"`adversarial` ({sentences['adversarial'].mean():.1f})" in text
    assert text.count(f"{sentences['teacher'].mean():.1f}") == 2
    sentences = sentences.drop(["adversarial", "teacher"], level="encoder")
    assert sentences.groupby("encoder").mean().min() >= 99.6
    assert f"language between {sentences.min():.1f} and 100" in text
    cka = last[last.level == "cka"].groupby("encoder").cka.mean()
    others = ["initial", "mlm-joined", "adversarial", "sense", "teacher"]
    others += [name for name in cka.index if name.startswith("clbt")]
    moved = cka.drop(others)
    assert f"from {cka['initial']:.3f} to between {moved.min():.3f} and {moved.max():.3f}" in text


def test_what_is_said_of_aligned_encoders_that_move_is_what_was_measured() -> None:
    text = said("docs", "results", "alignment.md")
    table = pandas.read_csv(RESULTS / "aligned_100.csv", keep_default_na=False)
    table = table[(table.language != "en") & table.metric.isin(MAIN.values())]
    assert set(table.aggregator) == {"last"} and table.language.nunique() == 9
    by_seed = 100 * table.groupby(["task", "encoder", "seed"]).value.mean().unstack()
    assert list(by_seed) == [0, 1, 2] and not by_seed.isna().any(axis=None)
    for task, name in (("pos", "tags"), ("ner", "entities")):
        plain, realign, labse = (by_seed.loc[task, x] for x in ("bundled", "realign", "labse"))
        found = f"{name} {plain.mean():.1f} as it came, {realign.mean():.1f} (`realign`, "
        gains = [x - plain for x in (realign, labse)]
        first, second = (f"{x.mean():+.1f} ± {x.std():.1f}" for x in gains)
        found += f"{first}) and {labse.mean():.1f} (`labse`, {second}) aligned"
        assert found in text
        assert [x.min() > 0 for x in gains] == [task == "pos", False]
    assert "Only tags with `realign` are ahead with each seed." in text
