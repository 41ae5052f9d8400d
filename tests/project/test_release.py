"""What a release holds."""

import re
import runpy
from typing import Any

import pytest
import setuptools
from places import ROOT


def given_to_setup(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **settings: found.update(settings))
    runpy.run_path(str(ROOT / "setup.py"))
    return found


def test_every_folder_of_configs_is_in_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = given_to_setup(monkeypatch)
    folders = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/**/*.cfg")}
    packages = {f"dlfa_spacy.{folder.replace('/', '.')}": folder for folder in folders}
    assert packages.items() <= found["package_dir"].items()
    assert {*packages, "dlfa_spacy.hub"} <= set(found["packages"])


def test_every_file_beside_the_code_is_in_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = given_to_setup(monkeypatch)
    files = [path for path in (ROOT / "dlfa_spacy").rglob("*.*") if path.is_file()]
    files = [path for path in files if path.suffix not in (".py", ".pyc")]
    assert len(files) > 2
    for path in files:
        assert ".".join(path.parent.relative_to(ROOT).parts) in found["packages"], path
        assert any(path.match(pattern) for pattern in found["package_data"][""]), path


def test_on_an_index_the_front_page_links_into_the_repository_at_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DLFA_REPOSITORY", "https://example.org/o/r")
    found = given_to_setup(monkeypatch)
    links = re.findall(r"\]\(([^)]+)\)", found["long_description"])
    at = f"v{found['version']}"
    assert f"https://example.org/o/r/raw/{at}/docs/entities.svg" in links
    assert f"https://example.org/o/r/blob/{at}/docs/install.md" in links
    assert all(link.startswith(("https://", "#")) for link in links)
    monkeypatch.setenv("DLFA_REPOSITORY", "")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert given_to_setup(monkeypatch)["long_description"] == text
