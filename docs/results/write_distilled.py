"""Write the table of distilled.md from distilled.csv: `python docs/results/write_distilled.py`."""

from pathlib import Path

import pandas

from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers

HERE = Path(__file__).parent
TEXTS = {"gold": "701, annotated", "both": "3,701"}


def table(rows: pandas.DataFrame) -> str:
    """RETURNS (str): Markdown; mean and standard deviation over seeds, in percent."""
    kind = rows["language"].where(rows["language"] == "en", "others")
    found = 100 * rows.groupby(["texts", "labels", "seed", kind])["accuracy"].mean()
    lines = []
    for (texts, labels), part in found.groupby(["texts", "labels"], sort=False):
        cells = []
        for name in ("en", "others"):
            values = part[part.index.get_level_values("language") == name]
            spread = f" ± {values.std():.1f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.1f}{spread}" if len(values) else "–")
        n_seeds = str(part.index.get_level_values("seed").nunique())
        lines.append([labels, TEXTS[texts], n_seeds, *cells])
    order = ["teacher", "gold", "soft", "smoothed", "hard"]
    lines.sort(key=lambda line: (line[1] == TEXTS["both"], order.index(line[0])))
    return markdown_table(["labels", "texts", "seeds", "en", "mean of 35 others"], lines)


if __name__ == "__main__":
    measured = pandas.read_csv(HERE / "distilled.csv")
    insert_between_markers(HERE / "distilled.md", table(measured), "<!-- distilled -->")
