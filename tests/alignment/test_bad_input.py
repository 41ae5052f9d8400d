"""What `dlfa align` does with bad input: it is named, or left out and counted, never guessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from aligned import toy_pairs
from typer.testing import CliRunner

from dlfa_spacy.cli import app

GOOD = [f"{pair.source_text}\t{pair.target_text}" for pair in toy_pairs(20)]
WORDS = ["дар sun", "лок moon", "мип tree", "нес fish", "пуг bird", "рит rain", "сав snow"]


def align(encoder: str, folder: Path, *more: str, method: str = "realign") -> tuple[int, str, Any]:
    """RETURNS: Exit code, what was said, and what is known of the Russian text."""
    out = folder / "out"
    arguments = ["align", method, encoder, str(out), "--parallel", str(folder / "text")]
    arguments += ["--steps", "1", "--batch-size", "4", "--max-length", "32", *more]
    result = CliRunner().invoke(app, arguments)
    said = " ".join(result.output.split())
    if result.exit_code:
        assert not out.exists()
        return result.exit_code, said, None
    report = json.loads((out / "alignment.json").read_text(encoding="utf-8"))
    return 0, said, report["data"]["languages"]


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def dictionary(tmp_path: Path) -> list[str]:
    write(tmp_path / "words" / "ru-en.txt", WORDS)
    return ["--dictionaries", str(tmp_path / "words")]


def test_unequal_line_counts_stop_it(bert: str, tmp_path: Path) -> None:
    write(tmp_path / "text" / "w.ru-en.ru", ["дар", "лок"])
    write(tmp_path / "text" / "w.ru-en.en", ["sun"])
    code, said, _ = align(bert, tmp_path)
    assert code == 1 and "w.ru-en.ru has 2 lines" in said and "has 1" in said


def test_empty_equal_and_repeated_sides_are_left_out_and_shown(
    bert: str, tmp_path: Path, dictionary: list[str]
) -> None:
    bad = ["\tempty", "пусто\t ", "OK\tOK", GOOD[0]]
    write(tmp_path / "text" / "ru-en.tsv", [*GOOD, *bad])
    code, said, counts = align(bert, tmp_path, *dictionary)
    assert code == 0
    found = {key: counts["ru"][key] for key in ("read", "kept", "empty", "identical", "duplicates")}
    assert found == {"read": 24, "kept": 20, "empty": 2, "identical": 1, "duplicates": 1}
    assert all(f"┃ {name}" in said for name in ("empty", "identical", "duplicates"))


def test_a_language_without_links_is_named_and_the_others_train(
    bert: str, tmp_path: Path, dictionary: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "text" / "ru-en.tsv", GOOD)
    write(tmp_path / "text" / "de-en.tsv", [f"wort {i}\tword {i + 1}" for i in range(6)])
    code, _, counts = align(bert, tmp_path, *dictionary)
    assert code == 0 and counts["de"]["unlinked"] == 6 and counts["ru"]["links"] > 10
    assert "No words are linked in de" in caplog.text


def test_no_links_at_all_stop_methods_of_words_alone(
    bert: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "text" / "de-en.tsv", [f"wort {i}\tword {i + 1}" for i in range(6)])
    write(tmp_path / "words" / "de-en.txt", ["haus house"])
    words = ["--dictionaries", str(tmp_path / "words")]
    code, said, _ = align(bert, tmp_path, *words)
    assert code == 1 and "No words are linked" in said
    assert align(bert, tmp_path, *words, method="labse")[0] == 0


@pytest.mark.parametrize(("how", "kept"), [("keep", 20), ("drop", 19), ("window", 21)])
def test_text_longer_than_the_encoder_is_treated_as_told_and_counted(
    bert: str, tmp_path: Path, dictionary: list[str], how: str, kept: int
) -> None:
    # A wordpiece a letter, so that both sides have more than the 30 that are read.
    source, target = "дар " + "мно" * 8 + " лок", "sun " + "many" * 7 + " moon"
    write(tmp_path / "text" / "ru-en.tsv", [*GOOD[:19], f"{source}\t{target}"])
    code, _, counts = align(bert, tmp_path, *dictionary, "--long-texts", how)
    assert code == 0
    assert (counts["ru"]["long"], counts["ru"]["kept"]) == (1, kept)


def test_a_dictionary_with_duplicates_counts_them(bert: str, tmp_path: Path) -> None:
    write(tmp_path / "text" / "ru-en.tsv", GOOD)
    write(tmp_path / "words" / "ru-en.txt", [*WORDS, WORDS[0], WORDS[1].upper(), "OK ok"])
    code, said, counts = align(bert, tmp_path, "--dictionaries", str(tmp_path / "words"))
    assert code == 0 and "dictionary" in said
    found = {key: value for key, value in counts["ru"].items() if key.startswith("dictionary")}
    assert found == {
        "dictionary": 7,
        "dictionary_duplicates": 2,
        "dictionary_identical": 1,
    }
