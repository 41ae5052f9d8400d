"""What RANDOM-INIT costs, from the table of a sweep: per language, and the gap to English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

TARGETS = "targets"
GAP = "gap"
REINIT = "reinit"


def random_init_summary(
    table: pandas.DataFrame,
    source: str = "en",
    reference: str = "last",
    reinit: str = REINIT,
) -> pandas.DataFrame:
    """Delta_S(lang) = score with blocks S re-initialized - score of the reference, paired by seed.

    table (pandas.DataFrame): Columns task, aggregator, layer, encoder, seed, language, split,
        metric, value; others are not read.
    source (str): The language trained on. Its dev split, on which checkpoints are chosen, is left
        out.
    reference (str): The aggregator of the reference runs, which keep all blocks.
    reinit (str): What the names of the other aggregators begin with: `reinit:1-2` is a group of
        blocks, and so is `reinit_top` with its `layer`.
    RETURNS (pandas.DataFrame): task, encoder, metric, group, language, reference, reinit, delta,
        sd (of delta, over seeds), seeds. The languages are each one, "targets" (the mean of all but
        the source) and "gap" (source - targets: a positive delta says that the blocks mattered more
        for the targets).
    RAISES (ValueError): There are no runs of one of the two kinds, or none with the same seed.

    Source: Muller et al. 2021 (First Align, then Predict), section 3.
    """
    import pandas

    table = table[~((table["language"] == source) & (table["split"] == "dev"))]
    names = table["aggregator"].astype(str)
    parts = {"reference": table[names == reference], "reinit": table[names.str.startswith(reinit)]}
    for kind, wanted in (("reference", reference), ("reinit", f"{reinit}...")):
        if parts[kind].empty:
            raise ValueError(
                f"The table has no runs with aggregator = {wanted!r}, only "
                f"{sorted(set(names))}. Expected both kinds. Fix: add them to the sweep."
            )
    wide = {kind: _by_language(part, source) for kind, part in parts.items()}
    wide["reference"] = wide["reference"].drop(columns="group")
    keys = ["task", "encoder", "metric", "seed", "language"]
    pairs = wide["reinit"].merge(wide["reference"], on=keys, suffixes=("_reinit", "_reference"))
    if pairs.empty:
        raise ValueError(
            "No run with blocks re-initialized has a reference of the same task, encoder and seed. "
            "Expected one. Fix: sweep both with the same seeds."
        )
    pairs["delta"] = pairs["value_reinit"] - pairs["value_reference"]
    grouped = pairs.groupby(["task", "encoder", "metric", "group", "language"], sort=True)
    summary = grouped.agg(
        reference=("value_reference", "mean"),
        reinit=("value_reinit", "mean"),
        delta=("delta", "mean"),
        sd=("delta", "std"),
        seeds=("seed", "nunique"),
    ).reset_index()
    last = {source: 0, TARGETS: 1, GAP: 2}
    order = summary["language"].map(lambda name: last.get(name, 3))
    # As blocks lie, not as their names are spelt: 3-4 before 11-12.
    block = summary["group"].map(lambda name: int((re.findall(r"\d+", name) or ["0"])[0]))
    summary = summary.assign(_order=order, _block=block).sort_values(
        ["task", "encoder", "metric", "_block", "group", "_order", "language"], kind="stable"
    )
    return pandas.DataFrame(summary.drop(columns=["_order", "_block"]).reset_index(drop=True))


def sentences(summary: pandas.DataFrame, source: str = "en") -> list[str]:
    """RETURNS (List[str]): For each group of blocks what the summary says, in words."""
    keys = ["task", "encoder", "metric", "group"]
    found = []
    for (task, encoder, metric, group), rows in summary.groupby(keys, sort=False):
        delta: dict[str, Any] = dict(zip(rows["language"], rows["delta"], strict=True))
        if source in delta and TARGETS in delta:
            found.append(
                f"{task}, {encoder}, {metric}, {group}: {100 * delta[source]:+.1f} in {source}, "
                f"{100 * delta[TARGETS]:+.1f} on the targets; the gap changes by "
                f"{100 * delta[GAP]:+.1f} ({int(rows['seeds'].max())} seeds)."
            )
    return found


def _by_language(table: pandas.DataFrame, source: str) -> pandas.DataFrame:
    """RETURNS (DataFrame): group, task, encoder, metric, seed, language, value, with the mean of
    the targets and the gap as languages."""
    import pandas

    table = table.assign(group=_groups(table))
    keys = ["group", "task", "encoder", "metric", "seed"]
    languages = table.groupby([*keys, "language"])["value"].mean().reset_index()
    means = languages[languages["language"] != source].groupby(keys)["value"].mean()
    own = languages[languages["language"] == source].set_index(keys)["value"]
    extra = [
        means.reset_index().assign(language=TARGETS),
        (own - means).dropna().rename("value").reset_index().assign(language=GAP),
    ]
    return pandas.concat([languages, *extra], ignore_index=True)


def _groups(table: pandas.DataFrame) -> list[str]:
    import pandas

    return [
        name if ":" in name or pandas.isna(layer) else f"{name}:{int(layer)}"
        for name, layer in zip(table["aggregator"].astype(str), table["layer"], strict=True)
    ]
