"""Names are found through entry points; importing the package is light."""

import inspect
import subprocess
import sys
from importlib.metadata import distribution

import pytest

NAMES = [
    ("architectures", "dlfa_spacy.TransformerModel.v1"),
    ("architectures", "dlfa_spacy.TransformerListener.v1"),
    ("architectures", "dlfa_spacy.Tok2VecTransformer.v1"),
    ("layers", "dlfa_spacy.LayerAttention.v1"),
    ("layers", "dlfa_spacy.DoubleLayerFusion.v1"),
    ("layers", "dlfa_spacy.ScalarMix.v1"),
    ("layers", "dlfa_spacy.MeanLayers.v1"),
    ("layers", "dlfa_spacy.LastLayer.v1"),
    ("span_getters", "dlfa_spacy.wordpiece_spans.v1"),
    ("tokenizers", "dlfa_spacy.MultilingualTokenizer.v1"),
    ("callbacks", "dlfa_spacy.freeze_layers.v1"),
    ("callbacks", "dlfa_spacy.gradual_unfreezing.v1"),
    ("loggers", "dlfa_spacy.layer_weights_logger.v1"),
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_every_name_resolves_without_importing_the_package() -> None:
    code = f"""
import sys, spacy
from spacy.util import registry
assert "dlfa_spacy" not in sys.modules
nlp = spacy.blank("xx")
print("dlfa_transformer", nlp.has_factory("dlfa_transformer"))
print("assigns", nlp.get_factory_meta("dlfa_transformer").assigns[0])
for group, name in {NAMES!r}:
    builder = registry.get(group, name)
    print(name, builder.__module__.split(".")[0])
"""
    found = dict(line.split() for line in run(code).splitlines())
    assert found.pop("dlfa_transformer") == "True"
    assert found.pop("assigns") == "doc._.trf_data"
    assert found == {name: "dlfa_spacy" for _, name in NAMES}


@pytest.mark.parametrize("module", ["dlfa_spacy", "dlfa_spacy.about"])
def test_import_is_light(module: str) -> None:
    code = f"""
import sys, {module}
heavy = {{"torch", "transformers", "spacy", "thinc", "pandas", "matplotlib", "seqeval", "sklearn"}}
print(sorted(heavy & set(sys.modules)))
"""
    assert run(code) == "[]"


def test_package_lists_what_it_offers() -> None:
    import dlfa_spacy

    for name in dlfa_spacy.__all__:
        assert getattr(dlfa_spacy, name)
    with pytest.raises(AttributeError, match="no attribute 'layer_stats'"):
        dlfa_spacy.layer_stats  # noqa: B018


def test_what_is_registered_has_types_and_not_their_names() -> None:
    # spaCy before 3.8.13 checks configs with pydantic 1, which does not look names up: no file that
    # registers something has `from __future__ import annotations`.
    points = [
        point
        for point in distribution("dlfa-spacy").entry_points
        if point.group.startswith(("spacy_", "thinc_"))
    ]
    assert len(points) > 20
    for point in points:
        found = point.load()
        if inspect.isfunction(found):
            for parameter in inspect.signature(found).parameters.values():
                assert not isinstance(parameter.annotation, str), point.value
