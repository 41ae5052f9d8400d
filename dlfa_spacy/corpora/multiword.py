"""The UPOS of a multiword token when it is kept as one surface token."""

from __future__ import annotations

from collections.abc import Sequence

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


def _depth(node: int, heads: dict[int, int]) -> int:
    depth = 0
    seen = set()
    # A cycle (bad annotation) must not hang the conversion.
    while node in heads and node not in seen:
        seen.add(node)
        node = heads[node]
        depth += 1
    return depth


def surface_upos(
    ids: Sequence[int], upos: Sequence[str], heads: dict[int, int], language: str
) -> str:
    """Choose the UPOS of a multiword token as XTREME does: that of its highest part.

    The part nearest to the root of the sentence's tree decides (`zum` -> ADP, `l'amico` ->
    NOUN, `dámelo` -> VERB). Of several equally near ones the tag that comes first in a ranking
    decides; without a tree (HEAD is `_`), the ranking alone.

    ids (Sequence[int]): The parts' IDs.
    upos (Sequence[str]): The parts' tags.
    heads (Dict[int, int]): HEAD by ID, for the whole sentence; IDs without HEAD are left out.
    language (str): Language code; es, fr and it have a ranking of their own.
    RETURNS (str): The tag.
    """
    depths = [_depth(i, heads) for i in ids]
    top = min(depths)
    candidates = [tag for tag, depth in zip(upos, depths, strict=True) if depth == top]
    ranking = _RANKINGS.get(language.split("-")[0].lower(), _DEFAULT_RANKING)
    order = {tag: rank for rank, tag in reversed(list(enumerate(ranking + _DEFAULT_RANKING)))}
    return min(candidates, key=lambda tag: order.get(tag, len(order) * 2))
