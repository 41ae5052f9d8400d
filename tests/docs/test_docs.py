"""The documentation says what the code does: layout, names, arguments, config blocks, links."""

import ast
import importlib
import inspect
import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import spacy
import torch
from places import ROOT
from spacy.schemas import ConfigSchemaTraining
from spacy.util import registry
from thinc.api import Config

from dlfa_spacy import aggregators
from dlfa_spacy.about import __version__

PACKAGE = ROOT / "dlfa_spacy"
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "aggregations.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
OWN_PAGES = [
    ROOT / "README.md",
    DOCS / "architecture.md",
    DOCS / "aggregations.md",
    ROOT / "examples" / "README.md",
    ROOT / "CHANGELOG.md",
]
FACTORIES = (
    "dlfa_transformer",
    "dlfa_sentence_vectors",
    "dlfa_language",
    "dlfa_confidence",
    "dlfa_doc_cleaner",
)


def entry_points() -> dict[str, str]:
    """RETURNS: Registered name -> "module:function", from setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENTRY_POINTS":
            groups = ast.literal_eval(node.value)
            entries = [
                entry
                for group, lines in groups.items()
                if group not in ("console_scripts", "spacy_cli", "spacy_displacy_colors")
                for entry in lines
            ]
            return dict(re.split(r"\s*=\s*", entry, maxsplit=1) for entry in entries)
    raise AssertionError("setup.py has no ENTRY_POINTS")


# Wording


def test_how_far_a_value_was_verified_stands_on_one_page() -> None:
    words = re.compile(r"\b(VERIFIED|UNVERIFIED|SECOND-HAND)\b")
    assert len(words.findall((DOCS / "provenance.md").read_text(encoding="utf-8"))) > 30
    for path in PACKAGE.rglob("*.py"):
        assert not words.search(path.read_text(encoding="utf-8")), path


# Imports


def folders() -> dict[str, int]:
    """RETURNS: Module or folder of the package -> its place in the list, from above."""
    block = ARCHITECTURE.split("## Package layout")[1].split("```")[1]
    places = {}
    for place, line in enumerate(block.strip().splitlines()):
        names = re.split(r"\s{2,}", line)[0]
        for name in names.split(", "):
            places[name.removesuffix("/").removesuffix(".py")] = place
    return places


def imports(path: Path) -> Iterator[str]:
    """YIELDS: The folder of every import of the package's own, those inside functions included."""
    package = ("dlfa_spacy", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) + 1 - node.level]) if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            found = [[*module, alias.name] for alias in node.names]
        else:
            continue
        yield from (parts[1] for parts in found if parts[0] == "dlfa_spacy" and len(parts) > 1)


def test_every_module_has_a_place() -> None:
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(folders()) == found


def test_imports_only_point_down() -> None:
    places = folders()
    checked = 0
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        # The package itself is the front door: it hands out what lies inside.
        if own == "__init__":
            continue
        for other in imports(path):
            checked += 1
            assert other == own or places[other] > places[own], f"{path} imports {other}"
    assert checked > 100


# Names and arguments


def section(name: str) -> str:
    """RETURNS: What stands under the heading of a registered name."""
    parts = re.split(r"^## ", REFERENCE, flags=re.MULTILINE)
    (found,) = [part for part in parts if part.split("\n", 1)[0].strip() == name]
    return found


def table(text: str) -> dict[str, str]:
    """RETURNS: Argument -> its description."""
    rows = re.findall(r"^\| (\S+) \| (.*) \|$", text, flags=re.MULTILINE)
    return {name.strip("`*"): description for name, description in rows if name != "Argument"}


@pytest.mark.parametrize("name", sorted(entry_points()))
def test_every_registered_name_is_described_with_its_arguments(name: str) -> None:
    module, function = entry_points()[name].split(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(module), function)
    described = table(section(name))
    assert described.pop("CREATES")
    # What spaCy itself passes to a factory stands in no config.
    wanted = {
        key: parameter
        for key, parameter in inspect.signature(builder).parameters.items()
        if name not in FACTORIES or key not in ("nlp", "name")
    }
    assert set(described) == set(wanted)
    for key, parameter in wanted.items():
        if parameter.default is not inspect.Parameter.empty:
            default = json.dumps(parameter.default)
            assert f"Defaults to `{default}`" in described[key], f"{name}: {key}"


@pytest.mark.parametrize("name", sorted(entry_points()))
def test_every_registered_name_has_a_config_block(name: str) -> None:
    key = "factory" if name in FACTORIES else r'"?@\w+"?'
    assert re.search(rf'{key}\s*[=:] "{re.escape(name)}"', section(name))


MODULES = [name for name in aggregators.__all__ if isinstance(getattr(aggregators, name), type)]


@pytest.mark.parametrize("name", MODULES)
def test_the_signature_of_every_module_is_the_one_written_down(name: str) -> None:
    # A module without a constructor of its own has no arguments.
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(getattr(aggregators, name)).parameters.values()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    plain = str(inspect.Signature(parameters)).replace("'", '"')
    (written,) = re.findall(rf"^    {name},  # (.*)$", REFERENCE, flags=re.MULTILINE)
    assert written == plain


def test_the_parameters_are_as_many_as_written() -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    E, L, d_k, r = 24, 4, 8, 4
    b = E // r
    names = {"E": E, "L": L, "d_k": d_k, "b": b}

    def written(name: str, formula: int) -> int:
        found = re.findall(r"`([^`\n]*\b[EL]\b[^`\n]*\+[^`\n]*)`", section(f"dlfa_spacy.{name}.v1"))
        return eval(found[formula], {}, names)

    attention = aggregators.LayerAttention(E, L, key_width=d_k)
    assert count(attention) == written("LayerAttention", 0) + 1
    fusion = aggregators.DoubleLayerFusion
    assert count(fusion(E, reduction=r)) == written("DoubleLayerFusion", 0)
    assert count(fusion(E, reduction=r, norm="layer")) == written("DoubleLayerFusion", 0)
    assert count(fusion(E, reduction=r, norm="none")) == written("DoubleLayerFusion", 1)
    assert count(aggregators.ScalarMix(L)) == L + 2


# Config blocks


def config_blocks() -> list[Any]:
    found = []
    for page in PAGES:
        texts = re.findall(r"^```ini\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        found += [
            pytest.param(text, id=f"{page.stem}-{number}") for number, text in enumerate(texts)
        ]
    return found


def parse(text: str) -> Config:
    """Read a part of a config, whose parents stand in the reader's own."""
    names = re.findall(r"^\[(.+)\]$", text, flags=re.MULTILINE)
    parents = {n.rsplit(".", i)[0] for n in names for i in range(1, n.count(".") + 1)}
    headers = "".join(f"[{name}]\n\n" for name in sorted(parents - set(names)))
    return Config().from_str(headers + text, interpolate=False)


def registered(block: Any) -> Iterator[dict[str, Any]]:
    """YIELDS: The topmost blocks that name something registered."""
    if isinstance(block, dict):
        if any(key.startswith("@") for key in block):
            yield block
        else:
            for value in block.values():
                yield from registered(value)


@pytest.mark.parametrize("text", config_blocks())
def test_every_config_block_resolves(text: str) -> None:
    config = parse(text)
    components = config.pop("components", {})
    for name, block in components.items():
        if "factory" in block:
            nlp = spacy.blank("xx")
            settings = {key: value for key, value in block.items() if key != "factory"}
            nlp.add_pipe(block["factory"], name=name, config=settings)
            assert nlp.pipe_names == [name]
    partial = {name: block for name, block in components.items() if "factory" not in block}
    for block in [*registered(partial), *registered(config)]:
        assert registry.resolve({"block": block})["block"] is not None
    assert set(config.get("training", {})) <= set(ConfigSchemaTraining.__fields__)
    assert components or set(config) <= {"nlp", "corpora", "training", "initialize"}


def test_a_wrong_config_block_would_be_found() -> None:
    for wrong in ("heads = 4", "key_width = many"):
        text = (
            '[components.ner.model.tok2vec.aggregation]\n@layers = "dlfa_spacy.LayerAttention.v1"'
        )
        with pytest.raises(ValueError):
            test_every_config_block_resolves(f"{text}\n{wrong}\n")


# Links and the picture


@pytest.mark.parametrize("page", OWN_PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        assert not path or (page.parent / path).exists(), target
        if anchor and not path:
            headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in known, target


def test_the_files_named_exist() -> None:
    for page in OWN_PAGES:
        for name in re.findall(r"`((?:tests|\w+)/\w+\.py)`", page.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file() or (PACKAGE / name).is_file(), f"{page.name}: {name}"


def test_the_picture_is_the_one_that_its_script_draws() -> None:
    drawn = runpy.run_path(str(DOCS / "draw_how_it_works.py"))["draw"]()
    assert (DOCS / "how_it_works.svg").read_text(encoding="utf-8") == drawn
    root = ElementTree.fromstring(drawn)
    # An image in a README loads nothing and knows its own background in both color schemes.
    assert not re.search(r"href|url\((?!#)|<script|<image", drawn)
    assert "prefers-color-scheme: dark" in drawn
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_the_version_is_the_same_wherever_it_stands() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (newest, date), *_ = re.findall(r"^## (\S+) \((\S+)\)$", changes, flags=re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert newest == __version__
    assert f"\nversion: {__version__}\ndate-released: {date}\n" in citation
    project = (ROOT / "project.yml").read_text(encoding="utf-8")
    assert f"\n  package_version: {__version__}\n" in project
