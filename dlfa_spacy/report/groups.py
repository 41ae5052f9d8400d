"""Means over groups of languages: those of the paper, by script, by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from ..evaluation.languages import FAMILY, SCRIPT, UNKNOWN, base

# Table 2 of the DLFA paper (Chen et al., ICPR 2022): English and German, and all others.
PAPER = ("en", "de")


def group_languages(languages: Sequence[str], source: str) -> dict[str, dict[str, list[str]]]:
    """Sort languages into groups, each way of grouping on its own.

    languages (Sequence[str]): Language codes.
    source (str): The language trained on. It counts only in the paper's groups, which have it.
    RETURNS (Dict[str, Dict[str, List[str]]]): By way of grouping (`paper`, `script`, `family`),
        the languages of each group in the order given. The paper's are named as there: `enf` is
        English and German, `noenf` the rest. A grouping with one group is omitted.
    """
    targets = [code for code in languages if code != source]
    ways = {
        "paper": _sort(languages, {code: "enf" for code in PAPER}, "noenf"),
        "script": _sort(targets, SCRIPT, UNKNOWN),
        "family": _sort(targets, FAMILY, UNKNOWN),
    }
    return {way: groups for way, groups in ways.items() if len(groups) > 1}


def _sort(languages: Sequence[str], of: Mapping[str, str], other: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for code in languages:
        groups.setdefault(of.get(base(code), other), []).append(code)
    # The largest first; sorted() keeps the order of equals.
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def group_mean(scores: Mapping[str, float], languages: Sequence[str]) -> float:
    """Average a group, each language counting once.

    scores (Mapping[str, float]): Score by language.
    languages (Sequence[str]): The group; at least one.
    RETURNS (float): Unweighted mean.
    """
    return fmean(scores[code] for code in languages)
