"""Which part speaks for a multiword token that is kept as one surface token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Ties between equally high parts are broken by these rankings, those that XTREME's conversion
# (ud-conversion-tools, conllu_to_conll.py) has for each language. SYM is missing there.
_DEFAULT_RANKING = (
    "VERB NOUN PROPN PRON ADJ NUM ADV INTJ AUX ADP DET PART CCONJ SCONJ SYM X PUNCT".split()
)
_RANKINGS: dict[str, list[str]] = {
    "es": "VERB AUX PRON ADP DET".split(),
    "fr": "VERB AUX PRON NOUN ADJ ADV ADP DET PART SCONJ CCONJ".split(),
    "it": "VERB AUX ADV PRON ADP DET INTJ".split(),
}


def highest_part(
    ids: Sequence[int], upos: Sequence[str], depths: Mapping[int, int], language: str
) -> int:
    """Choose the part of a multiword token that stands for it, as XTREME does for its UPOS.

    The part nearest to the root of the sentence's tree decides (`zum` -> ADP, `l'amico` ->
    NOUN, `dámelo` -> VERB). Of several equally near ones the tag that comes first in a ranking
    decides; without a tree (HEAD is `_`), the ranking alone.

    ids (Sequence[int]): The parts' IDs.
    upos (Sequence[str]): The parts' tags.
    depths (Mapping[int, int]): See `depths_of`, for the whole sentence.
    language (str): Language code; es, fr and it have a ranking of their own.
    RETURNS (int): The index of the part: 0 for the first.
    """
    own = [depths.get(i, 0) for i in ids]
    top = min(own)
    highest = [part for part, depth in enumerate(own) if depth == top]
    ranking = _RANKINGS.get(language.split("-")[0].lower(), _DEFAULT_RANKING)
    order = {tag: rank for rank, tag in reversed(list(enumerate(ranking + _DEFAULT_RANKING)))}
    return min(highest, key=lambda part: order.get(upos[part], len(order) * 2))
