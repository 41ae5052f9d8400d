"""What the measured files say, in words: every number is counted here, every claim is tested.

`write_analysis_tables.py` puts it into analysis.md.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

Row = dict[str, str]
# Of the languages measured, those that the encoder was not trained on (its card).
UNSEEN = ("cs", "fi", "ko", "sv")


def layers_of(rows: Iterable[Row], *keys: str) -> list[float]:
    """RETURNS (List[float]): In percent, by layer, the mean of the rows and of several columns."""
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(int(row["layer"]), []).extend(float(row[key]) for key in keys)
    return [100 * sum(found[layer]) / len(found[layer]) for layer in sorted(found)]


def where(rows: Iterable[Row], **wanted: str) -> list[Row]:
    """RETURNS (List[Dict[str, str]]): The rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def claim(holds: bool, text: str) -> str:
    """RETURNS (str): The text, if it holds.
    RAISES (ValueError): If the measured files say something else."""
    if not holds:
        raise ValueError(
            f"analysis.md: found figures that do not support {text!r}, expected those that do. "
            "Fix: write another sentence in docs/analysis_prose.py."
        )
    return text


def span(values: Sequence[float]) -> str:
    """RETURNS (str): "68 to 73"."""
    return f"{min(values):.0f} to {max(values):.0f}"


def wrapped(text: str, indent: str = "") -> str:
    """RETURNS (str): The text in lines as long as those of the page."""
    return textwrap.fill(
        " ".join(text.split()),
        width=104,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def cka_caption(cka: Sequence[Row]) -> str:
    """RETURNS (str): How CKA was measured."""
    batches, n = int(cka[0]["batches"]), int(cka[0]["n"])
    return wrapped(
        f"Debiased linear CKA, in percent; the mean over {batches} batches of {n // batches} "
        "sentences."
    )


def retrieval_caption(rows: Sequence[Row]) -> str:
    """RETURNS (str): How retrieval was measured."""
    n = int(rows[0]["n"])
    return wrapped(
        "Accuracy of sentence retrieval by CSLS, the mean of both directions, in percent; one "
        f"sentence of {n} is right by chance in {100 / n:.1f} percent."
    )


def vectors_caption(rows: Sequence[Row]) -> str:
    """RETURNS (str): How sentence vectors were measured."""
    n, languages = int(rows[0]["n"]), len({row["language"] for row in rows})
    return wrapped(
        "Accuracy of sentence retrieval in percent, the mean of "
        f"{languages} languages and both directions, over {n} "
        "sentences. The means were learned from as many other ones."
    )


def curves(cka: Sequence[Row], retrieval: Sequence[Row]) -> str:
    """RETURNS (str): What CKA and retrieval by layer show."""
    linear = where(cka, kernel="linear", debiased="True")
    biased = where(cka, kernel="linear", debiased="False")
    plain = where(retrieval, centred="False")
    languages = sorted({row["language"] for row in linear})
    both = ("csls_to_en", "csls_from_en")
    by_cka = {code: layers_of(where(linear, language=code), "cka") for code in languages}
    control = {code: layers_of(where(linear, language=code), "shuffled") for code in languages}
    found = {code: layers_of(where(plain, language=code), *both) for code in languages}
    lines = [
        _shared(by_cka, control, layers_of(linear, "cka")),
        _bias(biased, layers_of(linear, "cka")),
        _disagree(found, retrieval, layers_of(linear, "cka")),
        _training(found),
        *_cosines(plain, layers_of(linear, "cka")),
    ]
    return "\n".join(wrapped(f"- {line}", "  ") for line in lines)


def _shared(
    by_cka: Mapping[str, list[float]], control: Mapping[str, list[float]], mean: list[float]
) -> str:
    last = len(mean) - 1
    above = {
        (code, layer): value - control[code][layer]
        for code, values in by_cka.items()
        for layer, value in enumerate(values)
    }
    peaks = sorted({values.index(max(values)) for values in by_cka.values()})
    least = min(above, key=lambda key: above[key])
    names = " or ".join(map(str, peaks))
    return " ".join(
        (
            "**The layers share something between languages.** "
            + claim(min(above.values()) > 5, "Debiased CKA is above that of shuffled pairs"),
            "in every language and layer, "
            + claim(
                least == ("ko", last), f"least so in Korean's last layer (by {above[least]:.0f}"
            )
            + " points).",
            claim(max(peaks) < last / 2, f"In every language it is highest in layer {names}, not")
            + " in the middle of the encoder, and on average",
            claim(mean[last] == min(mean), "it is lowest in the last layer."),
        )
    )


def _bias(biased: Sequence[Row], mean: list[float]) -> str:
    own, shuffled = layers_of(biased, "cka"), layers_of(biased, "shuffled")
    shares = [100 * b / a for a, b in zip(own, shuffled, strict=True)]
    last = len(mean) - 1
    return " ".join(
        (
            "**The bias is no detail.** The biased CKA of shuffled pairs, where there is nothing",
            f"to find, is {span(shares)} percent of the biased CKA of translations.",
            "And it hides that the last",
            claim(
                abs(own[last] - own[-2]) < 2 and mean[-2] - mean[last] > 5,
                f"layer is the least similar one: biased, layers {last - 1} and {last} have "
                f"{own[-2]:.1f} and {own[last]:.1f},",
            ),
            f"debiased {mean[-2]:.1f} and {mean[last]:.1f}.",
        )
    )


def _disagree(
    found: Mapping[str, list[float]], retrieval: Sequence[Row], cka: Sequence[float]
) -> str:
    best = [code for code, values in found.items() if values[-1] == max(values)]
    plain, centred = (where(retrieval, centred=value) for value in ("False", "True"))
    isotropy = layers_of(plain, "isotropy")
    cosine, moved = (layers_of(rows, "cosine_to_en", "cosine_from_en") for rows in (plain, centred))
    lead, rest = (values[-1] - max(values[:-1]) for values in (cosine, moved))
    return " ".join(
        (
            "**CKA and retrieval disagree about the last layer.** "
            + claim(
                len(best) > len(found) / 2 and cka[-1] == min(cka),
                f"In {len(best)} of {len(found)} languages",
            ),
            "it finds the most translations, although CKA is lowest there. One reason stands in",
            "the rows on cosines: between the embeddings and the last layer, two random sentences",
            f"of one language have a cosine of {span(isotropy[1:-1])} percent, which leaves little",
            f"room for differences; in the last layer of {isotropy[-1]:.0f}.",
            claim(
                rest < lead / 2, "Centering by language, which is free, cuts the last layer's lead"
            )
            + f" by cosine from {lead:.1f} points to {rest:.1f}.",
        )
    )


def _training(found: Mapping[str, list[float]]) -> str:
    unseen = [found[code] for code in UNSEEN]
    seen = [values for code, values in found.items() if code not in UNSEEN]
    apart = all(
        max(a) < min(b)
        for a, b in zip(zip(*unseen, strict=True), zip(*seen, strict=True), strict=True)
    )
    worst = max(found["ko"])
    return " ".join(
        (
            "**Which languages the encoder was trained on decides most.** "
            + claim(apart, f"Those it was not ({', '.join(UNSEEN)}) are"),
            "found less than all others in every layer: at best "
            f"{max(map(max, unseen)):.0f} percent, the others at their best layer",
            f"{span([max(values) for values in seen])}. Korean is hardly found at all "
            + claim(worst < 10, f"(at most {worst:.0f} percent)."),
        )
    )


def _cosines(plain: Sequence[Row], cka: Sequence[float]) -> list[str]:
    own, shuffled = layers_of(plain, "mean_cosine"), layers_of(plain, "shuffled_cosine")
    above = [a - b for a, b in zip(own, shuffled, strict=True)]
    csls = layers_of(plain, "csls_to_en", "csls_from_en")
    inner = range(1, len(cka) - 1)
    picks = [max(inner, key=lambda layer: values[layer]) for values in (csls, cka, above)]
    some = [csls[layer] for layer in inner]
    mislead = claim(
        own[-1] == min(own) and above[-1] == max(above),
        "In the last layer translations have the lowest one of all, and are furthest",
    )
    return [
        "**Mean cosines mislead.** Between the embeddings and the last layer, translations have a "
        f"mean cosine of {span(own[1:-1])} percent, shuffled pairs of {span(shuffled[1:-1])}. "
        f"{mislead} above the shuffled pairs.",
        "**For DLFA's lower layer** "
        + claim(len(set(picks)) == 3, "the criteria of `dlfa suggest-layer` do not agree either:")
        + f" on these sentences retrieval takes layer {picks[0]}, CKA layer {picks[1]}, the "
        f"cosine above shuffled pairs layer {picks[2]}. Over layers {inner[0]} to {inner[-1]}, "
        f"retrieval differs by {max(some) - min(some):.1f} points.",
    ]


def vectors(lines: Mapping[str, Sequence[float]]) -> str:
    """RETURNS (str): What the recipes of sentence vectors show; `lines` are those of the table."""
    sbert = lines["SBERT-WK"]
    singles = {name: values for name, values in lines.items() if name.startswith("mean of layer ")}
    last = max(singles, key=lambda name: int(name.rsplit(" ", 1)[1]))
    ends = lines["first and last layer"]
    lowest = all(
        value == min(column)
        for value, column in zip(sbert, zip(*lines.values(), strict=True), strict=True)
    )
    best = all(
        value == max(column)
        for value, column in zip(singles[last], zip(*singles.values(), strict=True), strict=True)
    )
    more = [a > b for a, b in zip(ends, singles[last], strict=True)] == [False, True, True, True]
    helps = all(v[1] > v[0] and v[3] > v[2] for v in lines.values())
    return "\n".join(
        (
            claim(lowest, "SBERT-WK finds the fewest translations here.")
            + claim(best, " Of single layers the last one finds the most,"),
            claim(
                more, "its mean with the first one more (not by plain cosine), and centering helps"
            )
            + claim(helps, " every recipe."),
            "All were compared on this text, so the best one is a little flattered.",
        )
    )


def pipelines(
    weights: Sequence[Row], gates: Sequence[Row], drifts: Mapping[str, Sequence[Row]]
) -> str:
    """RETURNS (str): What the trained aggregations do, and how far fine-tuning moved each layer."""
    return "\n".join([_weights(weights), _gates(gates), _drift(drifts)])


def _weights(rows: Sequence[Row]) -> str:
    tagger, ner = (
        layers_of(where(rows, component=name, language="all", upos="all"), "weight")
        for name in ("tagger", "ner")
    )
    lowest = tagger.index(min(tagger))
    by_language = [
        layers_of(where(rows, component="tagger", language=language, upos="all"), "weight")[lowest]
        for language in sorted({row["language"] for row in rows} - {"all"})
    ]
    return wrapped(
        "- "
        + claim(
            tagger[-1] > 100 and ner[-1] > 100 and -40 < tagger[lowest] < -20 and min(ner) > -5,
            f"**Attention subtracts.** The tagger reads the last layer less {-tagger[lowest]:.0f} "
            f"percent of layer {lowest}: the learned `beta` of the mix is negative. Entities "
            "hardly use the mix.",
        )
        + " "
        + claim(
            max(by_language) - min(by_language) < 3,
            f"Between languages that weight differs by {max(by_language) - min(by_language):.1f} "
            "points only: what it learned on English it does in every language.",
        ),
        "  ",
    )


def _gates(rows: Sequence[Row]) -> str:
    outside = [100 * float(row["outside"]) for row in rows]
    mean, sd = ([float(row[key]) for row in rows] for key in ("mean", "sd"))
    return wrapped(
        "- "
        + claim(
            min(outside) > 45 and max(map(abs, mean)) < 0.05 and min(sd) > 0.3,
            "**DLFA's product gate is no weight.** What it multiplies the lower layer by is about "
            f"0 in the mean, with a deviation of {min(sd):.2f} to {max(sd):.2f}; {span(outside)} "
            "percent of its values are outside [0, 1].",
        ),
        "  ",
    )


def _drift(drifts: Mapping[str, Sequence[Row]]) -> str:
    moved = {name: layers_of(rows, "drift") for name, rows in drifts.items()}
    rising = all(list(values) == sorted(values) for values in moved.values())
    return wrapped(
        "- "
        + claim(
            rising,
            "**Fine-tuning moves the upper layers most**, and each layer more than the one below: "
            + ", ".join(
                f"{name} from {values[0]:.0f} to {values[-1]:.0f} percent"
                for name, values in moved.items()
            )
            + ".",
        ),
        "  ",
    )


def blocks(lines: Mapping[str, Sequence[float]]) -> str:
    """RETURNS (str): Whether lower blocks carry transfer: does the source language recover, and the
    targets do not?"""
    shown = {name: [round(100 * value, 1) + 0.0 for value in row] for name, row in lines.items()}
    lowest = [name for name in shown if name.endswith("1-2")]
    highest = [name for name in shown if name.endswith("5-6")]
    lost = "; ".join(
        f"{name.partition(',')[0]} loses {-shown[name][0]:.1f} points in English and "
        f"{-shown[name][1]:.1f} on the targets"
        for name in lowest
    )
    middle = shown["ner, blocks 3-4"]
    gained = " and ".join(f"{shown[name][1]:+.1f} ({name.partition(',')[0]})" for name in highest)
    return "\n".join(
        [
            wrapped(
                "- "
                + claim(
                    all(shown[name][0] < 0 and shown[name][1] < 0 for name in lowest)
                    and all(shown[name][2] <= 0 for name in lowest),
                    f"**The lowest blocks matter to all languages.** Without them {lost}. The "
                    "paper finds that English recovers and the others do not; with so little "
                    "training English does not recover either, and the gap shrinks.",
                ),
                "  ",
            ),
            wrapped(
                "- "
                + claim(
                    middle[0] > 0 and middle[1] <= 0,
                    "**Where the finding does hold**: entities without the middle blocks gain "
                    f"{middle[0]:.1f} points in English and nothing on the targets "
                    f"({middle[1]:+.1f}), so that the gap grows.",
                ),
                "  ",
            ),
            wrapped(
                "- "
                + claim(
                    all(shown[name][1] > 0 for name in highest),
                    "**The highest blocks can be drawn anew at no cost**, as in the paper: "
                    f"{gained} points on the targets.",
                ),
                "  ",
            ),
        ]
    )


def choice(rows: Sequence[Row]) -> str:
    """RETURNS (str): What choosing a layer by each criterion would have cost."""
    worst = max(100 * float(row["regret"]) for row in rows)
    mean = {
        name: sum(100 * float(row["regret"]) for row in rows if row["criterion"] == name) / 2
        for name in ("cosine", "source dev", "random")
    }
    return wrapped(
        claim(
            worst < 2 and mean["cosine"] < mean["random"] < mean["source dev"],
            f"No choice costs more than {worst:.1f} points, so little hangs on the layer. The "
            f"cosine criterion is closest to the oracle ({mean['cosine']:.1f} points below in the "
            f"mean), English dev is no better than a random layer ({mean['source dev']:.1f} "
            f"against {mean['random']:.1f}). One seed: differences of this size are noise.",
        )
    )
