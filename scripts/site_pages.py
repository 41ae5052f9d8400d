"""The pages of the documentation site, by their places in the repository, so that a link that works
in a checkout works there; and the reference of the commands, from the commands.

A hook of mkdocs: `mkdocs.yml` names it.
"""

import re
from pathlib import Path

import typer.cli
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from dlfa_spacy.cli import app

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = (
    "*.md",
    "LICENSE",
    "assets/*/*.md",
    "assets/*/LICENSE",
    "dlfa_spacy/**/*.py",
    "docs/**/*.cfg",
    "docs/**/*.csv",
    "docs/**/*.md",
    "docs/**/*.py",
    "docs/**/*.svg",
    "examples/*",
)
CODE = re.compile(r"\[cyan\](.*)\[/\]( \\)?")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """RETURNS (Files): What the site has, beside the theme's own."""
    found = [file for file in files if file.src_dir != config.docs_dir]
    for path in sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)}):
        if path.is_file():
            name = path.relative_to(ROOT).as_posix()
            found.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    found.append(File.generated(config, "docs/commands.md", content=commands()))
    return Files(found)


def commands() -> str:
    """RETURNS (str): Every command with its arguments and options, in Markdown."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="dlfa")
    text = typer.cli.get_docs_for_click(obj=command, ctx=context, name="dlfa", title="Commands")
    # What the terminal shows in color stands in its own lines, or within one.
    text = re.sub(r"(?:^ +\[cyan\].*\[/\](?: \\)?\n?)+", _block, text, flags=re.MULTILINE)
    text = re.sub(r"\[cyan\](.*?)\[/\]", r"`\1`", text)
    text = re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", text)
    # <xx> is no tag.
    return re.sub(r"(```.*?```|`[^`]*`)|<", lambda m: m[1] or "&lt;", text, flags=re.DOTALL)


def _block(found: re.Match[str]) -> str:
    lines: list[str] = []
    for line, end in CODE.findall(found[0]):
        goes_on = bool(lines) and lines[-1].endswith("\\")
        lines.append(f"{'    ' if goes_on else ''}{line}{end}")
    return "```bash\n" + "\n".join(lines) + "\n```\n"
