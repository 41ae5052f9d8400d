"""Write the tables of analysis.md, and what they show, from the measured files in results/analysis.

python docs/write_analysis_tables.py
"""

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
import analysis_prose as prose  # noqa: E402

MEASURED = DOCS / "results" / "analysis"
PAGE = DOCS / "analysis.md"
Row = dict[str, str]


def rows_of(name: str) -> list[Row]:
    """RETURNS (List[Dict[str, str]]): The rows of a measured file."""
    with (MEASURED / f"{name}.csv").open(encoding="utf-8") as file_:
        return list(csv.DictReader(file_))


def table(header: Sequence[str], lines: Mapping[str, Sequence[float]]) -> str:
    """RETURNS (str): Markdown; a line a name, in percent."""
    out = ["| " + " | ".join(header) + " |", "|:---|" + "---:|" * (len(header) - 1)]
    for name, values in lines.items():
        out.append(
            f"| {name} | " + " | ".join(f"{round(100 * v, 1) + 0.0:.1f}" for v in values) + " |"
        )
    return "\n".join(out)


def by_layer(rows: Sequence[Row], *keys: str) -> list[float]:
    """RETURNS (List[float]): For each layer the mean of the rows, and of several columns."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(int(row["layer"]), []).extend(float(row[key]) for key in keys)
    return [sum(found[layer]) / len(found[layer]) for layer in sorted(found)]


def cka_table() -> str:
    """RETURNS (str): CKA with English by language and layer."""
    rows = rows_of("cka")
    kinds = {
        (kernel, debiased): [
            row for row in rows if (row["kernel"], row["debiased"]) == (kernel, debiased)
        ]
        for kernel in ("linear", "rbf")
        for debiased in ("True", "False")
    }
    main = kinds["linear", "True"]
    lines = {
        language: by_layer([row for row in main if row["language"] == language], "cka")
        for language in sorted({row["language"] for row in main})
    }
    lines["**mean**"] = by_layer(main, "cka")
    lines["mean, shuffled pairs"] = by_layer(main, "shuffled")
    lines["mean, RBF, debiased"] = by_layer(kinds["rbf", "True"], "cka")
    lines["mean, linear, biased"] = by_layer(kinds["linear", "False"], "cka")
    lines["mean, linear, biased, shuffled pairs"] = by_layer(kinds["linear", "False"], "shuffled")
    return table(["layer", *map(str, range(len(lines["**mean**"])))], lines)


def retrieval_table() -> str:
    """RETURNS (str): Retrieval by language and layer."""
    rows = rows_of("retrieval")
    plain = [row for row in rows if row["centred"] == "False"]
    centred = [row for row in rows if row["centred"] == "True"]
    both = ("csls_to_en", "csls_from_en")
    lines = {
        language: by_layer([row for row in plain if row["language"] == language], *both)
        for language in sorted({row["language"] for row in plain})
    }
    lines["**mean**"] = by_layer(plain, *both)
    lines["mean, centred"] = by_layer(centred, *both)
    lines["mean, cosine"] = by_layer(plain, "cosine_to_en", "cosine_from_en")
    lines["mean, cosine, centred"] = by_layer(centred, "cosine_to_en", "cosine_from_en")
    lines["mean cosine of translations"] = by_layer(plain, "mean_cosine")
    lines["mean cosine, shuffled pairs"] = by_layer(plain, "shuffled_cosine")
    lines["isotropy: mean cosine of random pairs"] = by_layer(plain, "isotropy")
    return table(["layer", *map(str, range(len(lines["**mean**"])))], lines)


def vectors_lines() -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): Retrieval by recipe."""
    lines: dict[str, list[float]] = {}
    rows = rows_of("vectors")
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        values = []
        for name in ("cosine", "csls"):
            for centred in ("False", "True"):
                own = [r for r in rows if (r["recipe"], r["centred"]) == (recipe, centred)]
                found = [float(row[f"{name}_{way}_en"]) for row in own for way in ("to", "from")]
                values.append(sum(found) / len(found))
        lines[recipe] = values
    return lines


def cka_part() -> str:
    """RETURNS (str): The table of CKA below what it is."""
    return f"{prose.cka_caption(rows_of('cka'))}\n\n{cka_table()}"


def retrieval_part() -> str:
    """RETURNS (str): The table of retrieval below what it is."""
    return f"{prose.retrieval_caption(rows_of('retrieval'))}\n\n{retrieval_table()}"


def vectors_part() -> str:
    """RETURNS (str): The table of sentence vectors between what it is and what it shows."""
    lines = vectors_lines()
    header = ["vectors", "cosine", "cosine, centred", "CSLS", "CSLS, centred"]
    caption = prose.vectors_caption(rows_of("vectors"))
    return f"{caption}\n\n{table(header, lines)}\n\n{prose.vectors(lines)}"


def curves_part() -> str:
    """RETURNS (str): What CKA and retrieval show."""
    return prose.curves(rows_of("cka"), rows_of("retrieval"))


def pipelines_part() -> str:
    """RETURNS (str): What two trained pipelines do with the layers, and what it shows."""
    weights, gates = rows_of("layer_weights"), rows_of("gates")
    drifts = {name: rows_of(f"drift_{name}") for name in ("attention", "dlfa")}
    lines = {}
    for component in ("tagger", "ner"):
        rows = prose.where(weights, component=component, language="all", upos="all")
        lines[f"weight of the layer, {component}"] = by_layer(rows, "weight")
    for name, rows in drifts.items():
        lines[f"drift, {name}"] = by_layer(rows, "drift")
        lines[f"CKA before and after, {name}"] = by_layer(rows, "cka_linear")
    header = ["in percent", *(str(layer) for layer in range(len(lines["drift, dlfa"])))]
    return f"{table(header, lines)}\n\n{prose.pipelines(weights, gates, drifts)}"


METRICS = {"ner": "ner_span_f1", "pos": "pos_token_accuracy"}


def blocks_part() -> str:
    """RETURNS (str): What drawing blocks anew costs, and what it shows."""
    rows = rows_of("random_init")
    lines = {}
    for task, metric in METRICS.items():
        for group in sorted({row["group"] for row in rows}):
            found = prose.where(rows, task=task, metric=metric, group=group)
            by_language = {row["language"]: float(row["delta"]) for row in found}
            name = f"{task}, blocks {group.partition(':')[2]}"
            lines[name] = [by_language[which] for which in ("en", "targets", "gap")]
    return f"{table(['points', 'en', 'targets', 'gap'], lines)}\n\n{prose.blocks(lines)}"


def choice_part() -> str:
    """RETURNS (str): What choosing a layer costs, by criterion."""
    rows = [row for row in rows_of("layer_regret") if row["metric"] in METRICS.values()]
    out = ["| criterion | task | layer | score | best layer | its score | regret |"]
    out.append("|:---|:---|---:|---:|---:|---:|---:|")
    for row in rows:
        score, oracle, regret = (100 * float(row[key]) for key in ("score", "oracle", "regret"))
        out.append(
            f"| {row['criterion']} | {row['task']} | {row['layer'] or '–'} | {score:.1f} | "
            f"{row['oracle_layer']} | {oracle:.1f} | {regret:.1f} |"
        )
    return "\n".join(out) + f"\n\n{prose.choice(rows)}"


PARTS = {
    "choice": choice_part,
    "pipelines": pipelines_part,
    "blocks": blocks_part,
    "cka": cka_part,
    "retrieval": retrieval_part,
    "curves": curves_part,
    "vectors": vectors_part,
}


def filled(page: str) -> str:
    """RETURNS (str): The page with all that was measured made anew."""
    for name, make in PARTS.items():
        mark = f"<!-- analysis:{name} -->"
        pattern = re.compile(f"{mark}\n.*?{mark}", re.DOTALL)
        found = pattern.search(page)
        if found is None:
            raise ValueError(f"{PAGE.name}: found no two marks {mark}. Fix: put them there.")
        text = f"{mark}\n\n{make()}\n\n{mark}"
        page = page.replace(found[0], text)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
