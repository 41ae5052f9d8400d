"""Links between words: by dictionary, by a dictionary from the text itself, by other programs."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.parallel import (
    ParallelCorpus,
    SentencePair,
    WordDictionary,
    induce_dictionaries,
    induce_dictionary,
    link_by_dictionary,
    one_to_one,
    read_dictionaries,
    read_muse,
    read_pharaoh,
    write_muse,
    write_pharaoh,
    write_words,
)

ENTRIES = [("haus", "house"), ("alt", "old"), ("alt", "elderly"), ("greis", "elderly")]


def pair(source: str, target: str, links: list[tuple[int, int]] | None = None) -> SentencePair:
    return SentencePair("de", source.split(), target.split(), links or [])


# The aligner `dico`


@pytest.mark.parametrize(
    "source, target, links",
    [
        ("Das Haus ist alt", "The house is old", [(1, 1), (3, 3)]),
        # The candidate occurs twice on the right.
        ("Haus", "house and house", []),
        # Two foreign words have it in their backward entry, counting repeats.
        ("Haus Haus", "house", []),
        ("alt Greis", "elderly", []),
        # Two candidate types.
        ("alt", "old elderly", []),
        # Case is no difference.
        ("HAUS", "House", [(0, 0)]),
        ("Haus", "", []),
    ],
)
def test_a_link_needs_a_dictionary_without_doubt(
    source: str, target: str, links: list[tuple[int, int]]
) -> None:
    dictionary = WordDictionary(ENTRIES)
    assert link_by_dictionary(source.split(), target.split(), dictionary) == links


def test_a_capital_i_with_a_dot_is_looked_up_as_turks_write_it() -> None:
    dictionary = WordDictionary([("işçiler", "workers")])
    assert link_by_dictionary(["İşçiler"], ["Workers"], dictionary) == [(0, 0)]


def test_looking_up_adds_nothing_to_a_dictionary() -> None:
    dictionary = WordDictionary(ENTRIES)
    link_by_dictionary(["nichts"], ["nothing"], dictionary)
    assert dictionary.entries() == sorted(ENTRIES)


WORDS = st.lists(st.sampled_from("abcd"), max_size=6)


@settings(max_examples=80, deadline=None)
@given(WORDS, WORDS, st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"))))
def test_dico_is_its_definition(
    source: list[str], target: list[str], entries: list[tuple[str, str]]
) -> None:
    dictionary = WordDictionary(entries, ignore_identical=False)
    wanted = []
    for i, left in enumerate(source):
        candidates = {right for right in target if (left, right) in entries}
        if len(candidates) == 1:
            (right,) = candidates
            lefts = [other for other in source if (other, right) in entries]
            if target.count(right) == 1 and len(lefts) == 1:
                wanted.append((i, target.index(right)))
    found = link_by_dictionary(source, target, dictionary)
    assert found == wanted
    assert one_to_one(found) == found


# Dictionaries


def test_muse_files_are_read_in_either_direction(tmp_path: Path) -> None:
    (tmp_path / "de-en.txt").write_text("Haus house\nalt\told\nalt old\nOK ok\n", encoding="utf-8")
    (tmp_path / "en-fr.txt").write_text("house maison\n", encoding="utf-8")
    found = read_dictionaries(tmp_path)
    assert found["de"].entries() == [("alt", "old"), ("haus", "house")]
    assert (found["de"].duplicates, found["de"].identical) == (1, 1)
    assert found["fr"].entries() == [("maison", "house")]
    assert list(read_dictionaries(tmp_path, ["fr"])) == ["fr"]
    write_muse(found["de"], tmp_path / "copy" / "de-en.txt")
    assert read_muse(tmp_path / "copy" / "de-en.txt").entries() == found["de"].entries()
    assert len(read_muse(tmp_path / "de-en.txt", ignore_identical=False)) == 3


def test_bad_dictionaries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "de-en.txt"
    path.write_text("Haus house\nHaus a house\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"de-en\.txt:2: .*not 3.*Fix"):
        read_muse(path)
    path.write_text("ok OK\n", encoding="utf-8")
    with pytest.raises(ValueError, match="1 of two equal words"):
        read_muse(path)
    with pytest.raises(ValueError, match="no dictionary"):
        read_dictionaries(tmp_path / "none")


# Induction


def artificial(n: int, noise: float, seed: int = 0) -> list[SentencePair]:
    """Sentences of words f0, f1, ... whose translations e0, e1, ... stand in another order."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(n):
        words = [min(rng.randrange(40), rng.randrange(40)) for _ in range(rng.randint(2, 8))]
        target = [f"e{i}" for i in words if rng.random() >= noise]
        rng.shuffle(target)
        pairs.append(pair(" ".join(f"F{i}" for i in words), " ".join([*target, "the"])))
    return pairs


def test_an_induced_dictionary_finds_the_words_that_belong_together() -> None:
    found = induce_dictionary(artificial(600, noise=0.1))
    right = [a.removeprefix("f") == b.removeprefix("e") for a, b in found.entries]
    assert len(right) >= 35 and all(right)
    assert found.scores == sorted(found.scores, reverse=True)
    assert max(Counter(a for a, _ in found.entries).values()) == 1
    assert max(Counter(b for _, b in found.entries).values()) == 1


def test_inducing_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = induce_dictionary(artificial(200, 0.2), threshold=0.1)
    monkeypatch.setattr("dlfa_spacy.parallel.induce.CHUNK", 37)
    parts = induce_dictionary(artificial(200, 0.2), threshold=0.1)
    assert parts.entries == whole.entries
    assert parts.scores == pytest.approx(whole.scores)


def model_1(sentences: list[tuple[set[str], set[str]]], kept: set[tuple[str, str]], steps: int):
    """IBM model 1 as the textbook has it, t(e | f) with an empty word."""
    targets = sorted({e for _, es in sentences for e in es if any(b == e for _, b in kept)})
    partners = Counter(f for f, _ in kept)
    t = {(f, e): 1 / partners[f] for f, e in kept}
    # The empty word shares itself among the whole numbering of the vocabulary that is explained.
    vocabulary = sorted({e for _, es in sentences for e in es})
    n = max(vocabulary.index(e) for e in targets) + 1
    empty = {e: 1 / n for e in targets}
    for _ in range(steps):
        counts: Counter = Counter()
        empties: Counter = Counter()
        for fs, es in sentences:
            for e in es:
                own = [f for f in fs if (f, e) in kept]
                if own:
                    total = sum(t[f, e] for f in own) + empty[e]
                    empties[e] += empty[e] / total
                    for f in own:
                        counts[f, e] += t[f, e] / total
        sums: Counter = Counter()
        for (f, _), count in counts.items():
            sums[f] += count
        t = {(f, e): counts[f, e] / sums[f] for f, e in kept}
        empty = {e: empties[e] / sum(empties.values()) for e in targets}
    return t


def test_scores_are_those_of_the_textbook() -> None:
    pairs = artificial(40, 0.2, seed=3)
    found = induce_dictionary(pairs, threshold=0, min_count=2, iterations=4)
    sides = [({w.lower() for w in p.source_words}, set(p.target_words)) for p in pairs]
    together = Counter((f, e) for fs, es in sides for f in fs for e in es)
    kept = {words for words, count in together.items() if count >= 2}
    forward = model_1(sides, kept, 4)
    backward = model_1([(es, fs) for fs, es in sides], {(e, f) for f, e in kept}, 4)
    assert len(found.entries) > 10
    for (f, e), score in zip(found.entries, found.scores, strict=True):
        assert score == pytest.approx((forward[f, e] * backward[e, f]) ** 0.5)


def test_too_little_text_gives_no_entry_and_bad_settings_an_error() -> None:
    assert induce_dictionary([]).entries == []
    assert induce_dictionary([pair("a b", "c d")]).entries == []
    for wrong in ({"threshold": 2.0}, {"min_count": 0}, {"iterations": 0}):
        with pytest.raises(ValueError, match="Fix"):
            induce_dictionary([], **wrong)  # type: ignore[arg-type]


def test_a_corpus_is_linked_by_what_it_teaches(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{p.source_text}\t{p.target_text}\n" for p in artificial(300, 0.1)]
    (tmp_path / "de-en.tsv").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "fr-en.tsv").write_text("une phrase\ta sentence\n", encoding="utf-8")
    dictionaries = induce_dictionaries(ParallelCorpus(tmp_path))
    corpus = ParallelCorpus(tmp_path, dictionaries=dictionaries)
    pairs = list(corpus)
    linked = [(p.source_words[a], p.target_words[b]) for p in pairs for a, b in p.links]
    assert len(linked) == corpus.counts["de"].links > 500
    assert all(a[1:] == b[1:] for a, b in linked)
    assert corpus.counts["fr"].unlinked == 1
    assert "No words are linked in fr" in caplog.text


def test_real_text_teaches_words_that_any_dictionary_has(data_folder: Path) -> None:
    import tarfile

    archive = data_folder / "parallel-open.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive.name} in DLFA_DATA")
    with tarfile.open(archive) as files:
        (name,) = [n for n in files.getnames() if n.endswith("/tatoeba/de-en.tsv")]
        content = files.extractfile(name)
        assert content is not None
        rows = [line.split("\t") for line in content.read().decode("utf-8").splitlines()]
    found = dict(induce_dictionary([pair(a, b) for a, b in rows]).entries)
    known = {"ich": "i", "und": "and", "nicht": "not", "wasser": "water", "ist": "is"}
    assert sum(found.get(word) == english for word, english in known.items()) >= 3


# Other programs


def test_pharaoh_files_go_out_and_come_back(tmp_path: Path) -> None:
    pairs = [pair("Das Haus", "The house", [(0, 0), (1, 1)]), pair("Ja", "Yes")]
    write_pharaoh(pairs, tmp_path / "links")
    assert (tmp_path / "links").read_text(encoding="utf-8") == "0-0 1-1\n\n"
    bare = [pair("Das Haus", "The house"), pair("Ja", "Yes")]
    assert list(read_pharaoh(bare, tmp_path / "links")) == pairs
    assert write_words(pairs, tmp_path / "words") == 2
    written = (tmp_path / "words").read_text(encoding="utf-8")
    assert written == "Das Haus ||| The house\nJa ||| Yes\n"


@pytest.mark.parametrize("links", ["0-2", "2-0", "0_0", "-1-0", "0-", "٠-٠"])
def test_a_link_past_the_words_is_named_by_file_and_line(tmp_path: Path, links: str) -> None:
    (tmp_path / "links").write_text(f"0-0\n{links}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"links:2: .*below 2.*below 2.*Fix"):
        list(read_pharaoh([pair("a b", "c d"), pair("a b", "c d")], tmp_path / "links"))


def test_links_for_another_number_of_pairs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("0-0\n0-0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="2 lines, but there are 1"):
        list(read_pharaoh([pair("a", "b")], tmp_path / "links"))


def test_a_third_column_has_links_between_blanks(tmp_path: Path) -> None:
    path = tmp_path / "fr-en.tsv"
    path.write_text("l' an .\tthe year .\t0-0 1-1 2-2 2-2 1-2\n", encoding="utf-8")
    (found,) = ParallelCorpus(tmp_path)
    assert found.source_words == ["l'", "an", "."]
    assert found.links == [(0, 0)]
    path.write_text("un an\ta year\t0-0 1-5\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"fr-en\.tsv:1: .*'1-5'"):
        list(ParallelCorpus(tmp_path))


def test_one_to_one_keeps_the_hand_case() -> None:
    assert one_to_one([(0, 0), (0, 1), (2, 2)]) == [(2, 2)]
    assert one_to_one([(2, 2), (2, 2), (1, 0)]) == [(2, 2), (1, 0)]
    assert one_to_one([]) == []
