"""Write the tables of analysis.md from the measured files in results/analysis.

python docs/write_analysis_tables.py
"""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
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


def forgetting_part() -> str:
    """RETURNS (str): What fine-tuning moved, and what retrieval lost by it."""
    moved = rows_of("tuned/drift")
    lines = {
        "moved: 1 - cosine": by_layer(moved, "drift"),
        "CKA, before with after": by_layer(moved, "cka_linear"),
    }
    names = {"before": "initial/retrieval", "after": "tuned/retrieval"}
    for centred, kind in (("False", "retrieval"), ("True", "retrieval, centred")):
        for when, name in names.items():
            own = where(rows_of(name), centred=centred)
            lines[f"{kind}, {when}"] = by_layer(own, "csls_to_en", "csls_from_en")
    rows = rows_of("tuned/retrieval")
    languages = len({row["language"] for row in rows})
    return (
        f"In percent, the mean over {languages} languages and English; retrieval by CSLS in both "
        f"directions,\namong {rows[0]['n']} sentences. One seed.\n\n"
        + table(["layer", *map(str, range(len(lines["moved: 1 - cosine"])))], lines)
    )


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


def where(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """RETURNS (List[Dict[str, str]]): The rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def cka_part() -> str:
    """RETURNS (str): The table of CKA below what it is."""
    batches, n = (int(rows_of("cka")[0][key]) for key in ("batches", "n"))
    return (
        f"Debiased linear CKA, in percent; the mean over {batches} batches of {n // batches} "
        f"sentences.\n\n{cka_table()}"
    )


def retrieval_part() -> str:
    """RETURNS (str): The table of retrieval below what it is."""
    n = int(rows_of("retrieval")[0]["n"])
    return (
        "Accuracy of sentence retrieval by CSLS, the mean of both directions, in percent; one "
        f"sentence of {n}\nis right by chance in {100 / n:.1f} percent.\n\n{retrieval_table()}"
    )


def vectors_part() -> str:
    """RETURNS (str): The table of sentence vectors below what it is."""
    rows = rows_of("vectors")
    n, languages = int(rows[0]["n"]), len({row["language"] for row in rows})
    header = ["vectors", "cosine", "cosine, centred", "CSLS", "CSLS, centred"]
    return (
        f"Accuracy of sentence retrieval in percent, the mean of {languages} languages and both "
        f"directions,\nover {n} sentences. The means were learned from as many other ones.\n\n"
        f"{table(header, vectors_lines())}"
    )


def weights_part() -> str:
    """RETURNS (str): What learned weights read, by task and aggregation."""
    rows = rows_of("layer_weights")
    lines = {}
    for task, name in dict.fromkeys((row["task"], row["aggregator"]) for row in rows):
        found = where(rows, task=task, aggregator=name)
        lines[f"{task}, {name}"] = by_layer(found, "weight")
    depth = 1 + max(int(row["layer"]) for row in rows)
    seeds = len({row["seed"] for row in rows})
    return (
        f"Weight of each layer in percent, the mean over all languages and {seeds} seeds.\n\n"
        + table(["layer", *map(str, range(depth))], lines)
    )


def random_init_part() -> str:
    """RETURNS (str): What re-initializing each pair of blocks costs each language."""
    rows = where(rows_of("random_init"), metric="ner_span_f1")
    lines = {}
    for language in dict.fromkeys(row["language"] for row in rows):
        own = where(rows, language=language)
        lines[language] = [float(own[0]["reference"]), *(float(row["delta"]) for row in own)]
    groups = [row["group"].partition(":")[2] for row in where(rows, language="gap")]
    seeds = {"1": "One seed."}.get(rows[0]["seeds"], f"{rows[0]['seeds']} seeds.")
    return (
        "Span F1 of all blocks, and how it changes with two of them at random; *targets* is the "
        "mean of all\nlanguages but English, *gap* English minus that, both in points. "
        f"{seeds}\n\n" + table(["", "none", *groups], lines)
    )


METRICS = {"ner": "ner_span_f1", "pos": "pos_token_accuracy"}


def _reader(row: Row) -> str:
    return f"DLFA, {row['gate']} gate" if row["aggregator"] == "dlfa" else "the layer alone"


def choice_part() -> str:
    """RETURNS (str): What choosing a layer costs, by criterion."""
    rows = [row for row in rows_of("layer_regret") if row["metric"] in METRICS.values()]
    out = ["| criterion | task | what reads it | layer | score | best layer | its score | regret |"]
    out.append("|:---|:---|:---|---:|---:|---:|---:|---:|")
    for row in rows:
        score, oracle, regret = (100 * float(row[key]) for key in ("score", "oracle", "regret"))
        out.append(
            f"| {row['criterion']} | {row['task']} | {_reader(row)} | {row['layer'] or '–'} | "
            f"{score:.1f} | "
            f"{row['oracle_layer']} | {oracle:.1f} | {regret:.1f} |"
        )
    return "\n".join(out)


PARTS = {
    "cka": cka_part,
    "retrieval": retrieval_part,
    "forgetting": forgetting_part,
    "random-init": random_init_part,
    "weights": weights_part,
    "choice": choice_part,
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
