"""The layer chosen without labels, what that costs, and what RANDOM-INIT costs."""

from typing import Any

import numpy
import pytest

from dlfa_spacy.analysis.layer_choice import (
    cka_scores,
    cosine_scores,
    language_share,
    layer_regret,
    retrieval_scores,
    suggest_layer,
)
from dlfa_spacy.analysis.random_init import random_init_summary, sentences

pandas = pytest.importorskip("pandas")


def test_the_best_lower_layer_is_chosen() -> None:
    scores = {0: 9.0, 1: 0.2, 2: 0.5, 3: 0.5, 4: 0.8}
    found = suggest_layer("cka", scores, num_layers=4)
    # Neither the embeddings nor the last layer, and the higher one of equals.
    assert found.layer == 3 and found.scores == scores
    with pytest.raises(ValueError, match="1 layers.*Fix:"):
        suggest_layer("cka", {0: 1.0, 1: 1.0}, num_layers=1)


def test_scores_are_means_over_languages_of_what_is_not_centred() -> None:
    rows: list[dict[str, Any]] = []
    for language, value in (("de", 0.2), ("fr", 0.6)):
        for is_centred in (False, True):
            bonus = 0.3 if is_centred else 0.0
            rows.append(
                {
                    "language": language,
                    "layer": 1,
                    "centred": is_centred,
                    "csls_to_en": value + bonus,
                    "csls_from_en": value + 0.1 + bonus,
                    "mean_cosine": 0.9,
                    "shuffled_cosine": value,
                }
            )
    assert retrieval_scores(rows) == {1: pytest.approx(0.45)}
    assert cosine_scores(rows) == {1: pytest.approx(0.5)}
    cka = [
        {"layer": 2, "kernel": kernel, "debiased": debiased, "cka": value}
        for kernel, debiased, value in (
            ("linear", True, 0.1),
            ("linear", True, 0.3),
            ("rbf", True, 0.9),
            ("linear", False, 0.9),
        )
    ]
    assert cka_scores(cka) == {2: pytest.approx(0.2)}


def test_the_share_of_the_language_is_an_anova() -> None:
    from sklearn.linear_model import LinearRegression

    rng = numpy.random.default_rng(0)
    names = numpy.array(["en"] * 30 + ["de"] * 20 + ["fr"] * 50)
    onehot = (names[:, None] == numpy.unique(names)).astype(float)
    x = rng.normal(size=(100, 7)) + onehot @ rng.normal(size=(3, 7))
    predicted = LinearRegression(fit_intercept=False).fit(onehot, x).predict(onehot)
    total = ((x - x.mean(axis=0)) ** 2).sum()
    residual = ((x - predicted) ** 2).sum()
    adjusted = 1 - residual / total * 99 / 97
    assert language_share(x, names) == pytest.approx(adjusted)
    assert language_share(3 * x + 5, names) == pytest.approx(adjusted)


def test_the_share_is_nothing_where_languages_do_not_differ_and_all_where_they_do() -> None:
    rng = numpy.random.default_rng(0)
    names = numpy.array(["en", "de"] * 20)
    noise = [language_share(rng.normal(size=(40, 300)), names) for _ in range(20)]
    assert abs(numpy.mean(noise)) < 0.002 and min(noise) < 0
    apart = (names == "en")[:, None] * numpy.ones(5)
    assert language_share(apart, names) == pytest.approx(1)
    assert language_share(numpy.ones((40, 5)), names) == 0.0
    with pytest.raises(ValueError, match="1 languages.*Fix:"):
        language_share(apart, numpy.array(["en"] * 40))


def table(rows: list[tuple[Any, ...]]) -> Any:
    columns = ["task", "aggregator", "layer", "encoder", "seed", "language", "split", "metric"]
    frame = pandas.DataFrame(rows, columns=[*columns, "value"])
    return frame.astype({"layer": "Int64"})


def sweep_over_layers() -> Any:
    scores = {1: (0.5, 0.9), 2: (0.8, 0.7), 3: (0.6, 0.95)}
    rows: list[tuple[Any, ...]] = []
    for layer, (target, dev) in scores.items():
        for seed in (0, 1):
            run = ("pos", "dlfa", layer, "bert", seed)
            for language, extra in (("de", 0.02), ("fr", -0.02)):
                value = target + extra + 0.01 * seed
                rows.append((*run, language, "test", "accuracy", value))
            rows += [(*run, "en", "dev", "accuracy", dev), (*run, "en", "test", "accuracy", 0.99)]
    rows.append(("pos", "last", None, "bert", 0, "de", "test", "accuracy", 0.99))
    return table(rows)


def test_regret_is_against_the_layer_that_is_best_on_the_targets() -> None:
    found = layer_regret(sweep_over_layers(), {"cka": 1, "retrieval": 2}).set_index("criterion")
    assert set(found["oracle_layer"]) == {2} and set(found["seeds"]) == {2}
    assert found.loc["cka", "regret"] == pytest.approx(0.3)
    assert found.loc["retrieval", "regret"] == 0
    assert found.loc["source dev", "layer"] == 3
    assert found.loc["source dev", "regret"] == pytest.approx(0.2)
    assert found.loc["random", "regret"] == pytest.approx(0.805 - (0.505 + 0.805 + 0.605) / 3)
    assert pandas.isna(found.loc["random", "layer"])


def test_a_sweep_without_that_layer_has_no_regret() -> None:
    with pytest.raises(ValueError, match=r"layer 7.*\[1, 2, 3\].*Fix:"):
        layer_regret(sweep_over_layers(), {"cka": 7})
    with pytest.raises(ValueError, match="'control'.*Fix:"):
        layer_regret(sweep_over_layers(), {}, aggregator="control")


def ablation() -> Any:
    rows: list[tuple[Any, ...]] = []
    scores = {
        ("last", None): {"en": 0.9, "de": 0.7, "fr": 0.8},
        ("reinit:1-2", None): {"en": 0.88, "de": 0.3, "fr": 0.5},
        ("reinit_top", 5): {"en": 0.9, "de": 0.72, "fr": 0.82},
    }
    for (aggregator, layer), by_language in scores.items():
        for seed in (0, 1, 2):
            run = ("pos", aggregator, layer, "bert", seed)
            # What a seed does to both kinds of runs is not part of the difference.
            noise = 0.03 * seed + (0.01 * seed if aggregator == "reinit:1-2" else 0)
            for language, value in by_language.items():
                rows.append((*run, language, "test", "accuracy", value + noise))
            rows.append((*run, "en", "dev", "accuracy", 0.1))
    rows.append(("pos", "dlfa", 2, "bert", 0, "de", "test", "accuracy", 0.1))
    return table(rows)


def test_what_blocks_are_worth_by_language_and_for_the_gap() -> None:
    summary = random_init_summary(ablation())
    found = summary.set_index(["group", "language"])
    assert set(summary["group"]) == {"reinit:1-2", "reinit_top:5"}
    low = found.loc["reinit:1-2"]
    assert list(low.index) == ["en", "targets", "gap", "de", "fr"]
    assert list(low["delta"].round(6)) == [-0.01, -0.34, 0.33, -0.39, -0.29]
    assert list(low["sd"].round(6)) == [0.01, 0.01, 0.0, 0.01, 0.01]
    assert set(summary["seeds"]) == {3}
    top = found.loc["reinit_top:5"]
    assert top.loc["gap", "delta"] == pytest.approx(-0.02)
    assert top.loc["gap", "sd"] == pytest.approx(0, abs=1e-9)
    assert top.loc["en", "reference"] == pytest.approx(0.93)
    said = sentences(summary)
    assert len(said) == 2 and "-1.0 in en, -34.0 on the targets" in said[0]
    assert "gap changes by +33.0 (3 seeds)" in said[0]


def test_blocks_stand_as_they_lie() -> None:
    groups = ["reinit:11-12", "reinit:3-4", "reinit:1-2"]
    rows = [
        ("pos", name, None, "bert", 0, language, "test", "accuracy", 0.5)
        for name in ["last", *groups]
        for language in ("en", "de")
    ]
    summary = random_init_summary(table(rows))
    assert list(dict.fromkeys(summary["group"])) == groups[::-1]
    assert [text.split(", ")[3] for text in sentences(summary)] == [
        f"{name}: +0.0 in en" for name in groups[::-1]
    ]


def test_an_ablation_needs_both_kinds_of_runs_with_the_same_seeds() -> None:
    full = ablation()
    for kind in ("last", "reinit"):
        with pytest.raises(ValueError, match=f"{kind}.*Fix:"):
            random_init_summary(full[~full["aggregator"].str.startswith(kind)])
    other = full.assign(seed=full["seed"] + 5 * (full["aggregator"] == "last"))
    with pytest.raises(ValueError, match="seeds"):
        random_init_summary(other)
