"""The statistics of a comparison: equal to enumeration and scipy, and honest under the null."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.evaluation.languages import FAMILY, SCRIPT, base
from dlfa_spacy.report.groups import group_languages, group_mean
from dlfa_spacy.report.layer_choice import choose_layer
from dlfa_spacy.statistics.bootstrap import bootstrap_interval
from dlfa_spacy.statistics.significance import corrected, hedges_g, significance
from dlfa_spacy.statistics.tests import holm, sign_flip_test, welch_test

VALUES = st.lists(st.integers(-20, 20).map(lambda n: n / 8), min_size=1, max_size=7)


@settings(max_examples=80, deadline=None)
@given(VALUES)
def test_the_sign_flip_test_equals_enumeration(differences):
    observed = abs(sum(differences))
    flips = list(product((1, -1), repeat=len(differences)))
    extreme = sum(
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= observed
        for signs in flips
    )
    assert sign_flip_test(differences) == pytest.approx(extreme / len(flips))


@pytest.mark.parametrize("seed", range(4))
def test_both_tests_equal_scipys(seed):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.3, 1, 6), rng.normal(0, 1, 6)
    paired = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(a - b) == pytest.approx(paired.pvalue)
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert welch_test(a, b) == pytest.approx(welch.pvalue)


def test_a_draw_comes_near_the_exact_value_and_is_never_zero():
    rng = np.random.default_rng(1)
    differences = rng.normal(0.35, 1, 14)
    exact = sign_flip_test(differences, draws=1 << 14)
    drawn = sign_flip_test(differences, draws=(1 << 14) - 1)
    assert drawn == pytest.approx(exact, abs=0.02) and drawn != exact
    assert sign_flip_test(np.ones(100), draws=999) == pytest.approx(1 / 1000)
    assert sign_flip_test(np.ones(100), draws=999, seed=3) == sign_flip_test(
        np.ones(100), draws=999, seed=3
    )


def test_five_seeds_of_one_language_cannot_pass_a_paired_permutation_test():
    assert sign_flip_test([5, 5, 5, 5, 5]) == pytest.approx(2 / 32)


def test_welch_by_hand():
    # t = 3 / sqrt(2 / 3) = 3.674 with 4 degrees of freedom.
    assert welch_test([3, 4, 5], [0, 1, 2]) == pytest.approx(0.0213, abs=1e-4)


def test_no_difference_at_all_is_no_evidence():
    assert sign_flip_test(np.zeros((5, 4))) == 1.0
    assert welch_test([0.5, 0.5], [0.5, 0.5]) is None
    assert welch_test([0.5], [0.6, 0.7]) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    alpha = 0.05
    rejected = set()
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - rank) >= alpha:
            break
        rejected.add(index)
    adjusted = holm(p_values)
    assert {index for index, p in enumerate(adjusted) if p < alpha} == rejected
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def simulate(rng, *, effect=0.0, run_sd=0.0, n_seeds=5, n_languages=8, n_methods=1):
    """Scores of a baseline and methods: a part that languages share, one of the run, and noise."""
    level = rng.normal(0.6, 0.1, n_languages)
    made = []
    for method in range(n_methods + 1):
        run = rng.normal(0, run_sd, (n_seeds, 1))
        grid = level + run + rng.normal(0, 0.01, (n_seeds, n_languages)) + effect * (method > 0)
        made.append({s: {str(x): v for x, v in enumerate(row)} for s, row in enumerate(grid)})
    return made


LANGUAGES = [str(index) for index in range(8)]


def rates(monkeypatch, n=200, **settings_):
    """Share of p < 0.05 by test, and of verdicts that claim a difference."""
    from dlfa_spacy.statistics import significance as module

    # Fewer draws than a report's: only the rates matter here.
    monkeypatch.setattr(module, "sign_flip_test", lambda d: sign_flip_test(d, draws=999))
    monkeypatch.setattr(module, "bootstrap_interval", lambda d: (0.0, 0.0))
    rng = np.random.default_rng(0)
    hits = np.zeros(3)
    for _ in range(n):
        theirs, ours = simulate(rng, **settings_)
        result = corrected({"m": significance(ours, theirs, LANGUAGES)})["m"]
        hits += [result.p_cells < 0.05, result.p_runs < 0.05, result.verdict in ("better", "worse")]
    return hits / n


def test_false_positives_under_the_null_are_about_alpha(monkeypatch):
    cells, runs, claimed = rates(monkeypatch, n=400)
    # 400 simulations: 2.5 to 8 percent is within what chance does to 5 percent.
    assert 0.025 < cells < 0.08 and 0.02 < runs < 0.08
    assert claimed <= min(cells, runs)


def test_languages_of_one_run_hang_together_and_only_the_test_of_runs_knows(monkeypatch):
    cells, runs, claimed = rates(monkeypatch, run_sd=0.02)
    # One lucky seed makes all of its languages better at once.
    assert cells > 0.25
    assert 0.015 < runs < 0.09 and claimed <= runs


def test_an_effect_is_found_and_a_larger_one_more_often(monkeypatch):
    small = rates(monkeypatch, n=60, run_sd=0.005, effect=0.008)
    large = rates(monkeypatch, n=60, run_sd=0.005, effect=0.02)
    assert small[2] < large[2] and large[2] > 0.95


def test_holm_keeps_the_chance_of_any_false_claim_among_many_methods_below_alpha():
    rng = np.random.default_rng(5)
    any_raw = any_corrected = 0
    for _ in range(150):
        theirs, *methods = simulate(rng, n_methods=6, n_languages=4, run_sd=0.01)
        baseline = [np.mean(list(row.values())) for row in theirs.values()]
        p = [
            welch_test([np.mean(list(row.values())) for row in m.values()], baseline)
            for m in methods
        ]
        any_raw += min(p) < 0.05
        any_corrected += min(holm(p)) < 0.05
    assert any_raw / 150 > 0.1
    assert any_corrected / 150 < 0.08


def test_the_bootstrap_covers_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        grid = rng.normal(0, 1, (12, 1)) + rng.normal(0, 1, (1, 12)) + rng.normal(0, 1, (12, 12))
        low, high = bootstrap_interval(grid, draws=400)
        covered += low <= 0 <= high
    assert 0.88 < covered / 300 < 0.99


def test_the_bootstrap_keeps_seeds_and_languages_whole():
    # Every seed alike: only languages vary, and the interval is theirs alone.
    row = np.array([0.0, 1.0])
    assert bootstrap_interval(np.tile(row, (5, 1))) == (0.0, 1.0)
    assert bootstrap_interval(np.full((3, 4), 0.25)) == pytest.approx((0.25, 0.25))


def test_significance_pairs_shared_seeds_only():
    ours = {1: {"de": 0.6}, 2: {"de": 0.8}, 9: {"de": 0.0}}
    theirs = {1: {"de": 0.5}, 2: {"de": 0.7}, 8: {"de": 1.0}}
    result = significance(ours, theirs, ["de"])
    assert result is not None
    assert (result.n_seeds, result.difference) == (2, pytest.approx(0.1))
    assert significance({1: {"de": 0.6}}, {2: {"de": 0.5}}, ["de"]) is None


def test_one_seed_claims_nothing_whatever_its_languages_say():
    codes = [f"l{index}" for index in range(20)]
    ours = {0: dict.fromkeys(codes, 0.7)}
    theirs = {0: dict.fromkeys(codes, 0.5)}
    result = corrected({"m": significance(ours, theirs, codes)})["m"]
    assert result.p_cells < 0.001 and result.p_runs is None
    assert result.p == 1.0 and result.verdict == "these runs only"


def test_hedges_g_by_hand():
    # d = 2 / 1 with four degrees of freedom: corrected by 1 - 3 / 15.
    assert hedges_g([3, 4, 5], [1, 2, 3]) == pytest.approx(2 * (1 - 3 / 15))
    assert hedges_g([1, 1], [0, 0]) is None


def test_languages_are_grouped_as_in_the_paper_by_script_and_by_family():
    ways = group_languages(["en", "de", "ru", "uk", "zh", "hi"], "en")
    assert ways["paper"] == {"noenf": ["ru", "uk", "zh", "hi"], "enf": ["en", "de"]}
    assert ways["script"]["Cyrillic"] == ["ru", "uk"] and ways["script"]["Latin"] == ["de"]
    assert ways["family"]["Slavic"] == ["ru", "uk"]
    # The source is no target, and one group alone is no grouping.
    assert "en" not in ways["script"]["Latin"]
    assert group_languages(["en", "fr", "it"], "en").keys() == {"paper"}
    assert group_mean({"a": 0.2, "b": 0.4, "c": 9.0}, ["a", "b"]) == pytest.approx(0.3)


def test_unknown_languages_and_regions_find_their_group():
    assert group_languages(["xx-unknown", "de"], "en")["script"] == {
        "other": ["xx-unknown"],
        "Latin": ["de"],
    }
    assert base("zh-Hans") == base("zh_cn") == "zh"
    assert SCRIPT.keys() == FAMILY.keys() and len(SCRIPT) > 60


def test_a_layer_is_chosen_on_dev_and_the_oracle_is_never_below_it():
    # Layer 1 looks best on dev with seed 0; layer 3 is best on the targets.
    dev = {"1": {0: 0.9, 1: 0.7}, "3": {0: 0.8, 1: 0.8}}
    scores = {
        "1": {0: {"de": 0.5, "zh": 0.3}, 1: {"de": 0.5, "zh": 0.3}},
        "3": {0: {"de": 0.6, "zh": 0.4}, 1: {"de": 0.7, "zh": 0.5}},
    }
    choice = choose_layer(scores, dev, ["de", "zh"])
    assert choice is not None
    assert choice.chosen_layers == {0: "1", 1: "3"} and choice.oracle_layers == {0: "3", 1: "3"}
    assert choice.mean[0] == {"de": pytest.approx(0.55), "zh": pytest.approx(0.35)}
    assert choice.chosen[0]["de"] == 0.5 and choice.oracle[0]["de"] == 0.6
    assert choice.regrets == pytest.approx([0.1, 0.0])


def test_without_dev_scores_or_other_layers_nothing_is_chosen():
    scores = {"1": {0: {"de": 0.5}}, "2": {0: {"de": 0.6}}}
    choice = choose_layer(scores, {"1": {0: 0.5}}, ["de"])
    assert choice is not None and choice.chosen == {} and choice.oracle[0]["de"] == 0.6
    assert choose_layer({"1": {0: {"de": 0.5}}}, {}, ["de"]) is None
    assert choose_layer({"1": {0: {"de": 0.5}}, "2": {1: {"de": 0.5}}}, {}, ["de"]) is None


def test_the_best_of_many_layers_is_better_by_luck_alone():
    rng = np.random.default_rng(0)
    scores = {
        str(x): {s: {"de": v} for s, v in enumerate(rng.normal(0.6, 0.006, 200))} for x in range(11)
    }
    dev = {x: {s: rng.normal() for s in runs} for x, runs in scores.items()}
    choice = choose_layer(scores, dev, ["de"])
    assert choice is not None
    oracle = np.mean([row["de"] for row in choice.oracle.values()])
    chosen = np.mean([row["de"] for row in choice.chosen.values()])
    # The expected maximum of 11 standard normal values is 1.586.
    assert (oracle - 0.6) / 0.006 == pytest.approx(1.586, abs=0.12)
    assert chosen == pytest.approx(0.6, abs=0.002)
