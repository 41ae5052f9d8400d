"""The UPOS of a multiword token when it is kept as one surface token."""

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


def depths_of(heads: Mapping[int, int]) -> dict[int, int]:
    """Tell how far each word of a sentence is from the root, in one pass.

    heads (Mapping[int, int]): HEAD by ID; IDs without HEAD are left out.
    RETURNS (Dict[int, int]): Steps to a word without HEAD, by ID. Into a cycle, which is bad
        annotation, the steps until a word comes again.
    """
    depths: dict[int, int] = {}
    for first in heads:
        path: dict[int, int] = {}
        node = first
        while node in heads and node not in depths and node not in path:
            path[node] = len(path)
            node = heads[node]
        if node in path:
            length = len(path) - path[node]
            depths.update((one, length) for one, place in path.items() if place >= path[node])
        for one in reversed(path):
            if one not in depths:
                depths[one] = 1 + depths.get(heads[one], 0)
    return depths


def surface_upos(
    ids: Sequence[int], upos: Sequence[str], depths: Mapping[int, int], language: str
) -> str:
    """Choose the UPOS of a multiword token as XTREME does: that of its highest part.

    The part nearest to the root of the sentence's tree decides (`zum` -> ADP, `l'amico` ->
    NOUN, `dámelo` -> VERB). Of several equally near ones the tag that comes first in a ranking
    decides; without a tree (HEAD is `_`), the ranking alone.

    ids (Sequence[int]): The parts' IDs.
    upos (Sequence[str]): The parts' tags.
    depths (Mapping[int, int]): See `depths_of`, for the whole sentence.
    language (str): Language code; es, fr and it have a ranking of their own.
    RETURNS (str): The tag.
    """
    own = [depths.get(i, 0) for i in ids]
    top = min(own)
    candidates = [tag for tag, depth in zip(upos, own, strict=True) if depth == top]
    ranking = _RANKINGS.get(language.split("-")[0].lower(), _DEFAULT_RANKING)
    order = {tag: rank for rank, tag in reversed(list(enumerate(ranking + _DEFAULT_RANKING)))}
    return min(candidates, key=lambda tag: order.get(tag, len(order) * 2))
