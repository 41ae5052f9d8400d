"""The page of methods names everything that there is, and every paper."""

import pytest
from places import ROOT

from dlfa_spacy.alignment.methods import METHODS

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
# Papers whose place in the project somebody may look for.
PAPERS = [
    "2002.03518", "2009.14304", "2204.06457", "2202.13083", "2106.01732", "2004.05160",
    "2602.21543", "2006.06402", "2104.08645", "2107.00676", "2007.01852", "1909.06775",
    "2210.09934", "1911.03913", "1911.06182", "2211.08547", "2103.06459", "2011.04451",
    "2021.repl4nlp-1.8",
]  # fmt: skip
CALLBACKS = ["freeze_layers", "gradual_unfreezing", "realign", "adjust", "preserve", "perturb"]
CALLBACKS += ["ear"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_a_place(paper: str) -> None:
    assert PAGE.count(paper) == 1


@pytest.mark.parametrize("method", METHODS)
def test_every_way_to_align_is_there(method: str) -> None:
    assert f"dlfa align {method}" in PAGE or f"|{method}`" in PAGE


@pytest.mark.parametrize("name", [*CALLBACKS, "code_switch", "synonyms"])
def test_every_setting_of_fine_tuning_is_there(name: str) -> None:
    assert f"{name}.v1" in PAGE
