"""The encoder's build on a toy language: links, graft, resumed training, card."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from encoder_building import (  # noqa: E402  # noqa: E402
    card,
    examples,
    export,
    graft,
    links,
    pretrain,
    probe,
    segment,
    stages,
    state,
    text,
    vectors,
    vocabulary,
)
from encoder_building.cognates import romanise, string_similarity  # noqa: E402

LEXICON = {
    "hund": "dog", "katze": "cat", "haus": "house", "baum": "tree", "fluss": "river",
    "sieht": "sees", "sucht": "seeks", "malt": "paints", "der": "the", "rot": "red",
    "alt": "old", "klein": "small", "und": "and", "heute": "today",
}  # fmt: skip


def toy_pairs(n: int = 300, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of a toy language, and their word-by-word translation with adjectives behind."""
    rng = random.Random(seed)
    nouns, verbs, adjectives = (
        ["hund", "katze", "haus", "baum", "fluss"], ["sieht", "sucht", "malt"],
        ["rot", "alt", "klein"],
    )  # fmt: skip
    out = []
    for _ in range(n):
        a, v, b, j = (rng.choice(x) for x in (nouns, verbs, nouns, adjectives))
        left = ["Der", a, v, "der", b, j, *(["heute"] if rng.random() < 0.4 else []), "."]
        right = ["the", a, v, "the", j, b, *(["heute"] if "heute" in left else []), "."]
        out.append((" ".join(left), " ".join(LEXICON.get(w, w) for w in right)))
    return out


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    (root / "raw").mkdir()
    (root / "parallel" / "toy").mkdir(parents=True)
    pairs = toy_pairs()
    (root / "raw" / "de.txt").write_text("\n".join(p[0] for p in pairs), encoding="utf-8")
    english = [p[1].capitalize() for p in pairs]
    (root / "raw" / "en.txt").write_text("\n".join(english), encoding="utf-8")
    rows = "".join(f"{a}\t{b}\n" for a, b in pairs)
    (root / "parallel" / "toy" / "de-en.tsv").write_text(rows, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def parent_folder(corpus: Path) -> Path:
    """A small random English parent with whole words for pieces."""
    words = sorted({w for _, english in toy_pairs() for w in english.split()})
    vocab = {token: i for i, token in enumerate([*vocabulary.SPECIAL, *words])}
    tokenizer = vocabulary.Tokenizer(vocabulary.models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = text.normalizer(True)
    tokenizer.pre_tokenizer = vocabulary.pre_tokenizers.BertPreTokenizer()
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128, initializer_range=0.3,
    )  # fmt: skip
    folder = corpus / "parent"
    export.save_encoder(transformers.BertModel(config), tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def work(corpus: Path, parent_folder: Path) -> Path:
    """A build up to the graft."""
    out = corpus / "work"
    raw, parallel = corpus / "raw", corpus / "parallel"
    stages.vocabulary_stage(raw, parallel, out, ["en", "de"], size=90, max_han=10, seed=0)
    settings = graft.GraftSettings(svd_width=8, case_norm=0.0)
    stages.graft_stage(raw, parallel, out, ["en", "de"], parent_folder, settings)
    return out


def toy_words() -> list[text.Pair]:
    return [(text.words_of(a), text.words_of(b)) for a, b in toy_pairs()]


def test_links_find_the_lexicon() -> None:
    found = links.align(toy_words(), string_similarity)
    best: dict[str, tuple[float, str]] = {}
    for f, e, n in zip(found.foreign_ids, found.english_ids, found.counts, strict=True):
        word = found.foreign[f]
        best[word] = max(best.get(word, (0.0, "")), (float(n), found.english[e]))
    assert {word: english for word, (_, english) in best.items() if word in LEXICON} == {
        word: english for word, english in LEXICON.items() if word in best
    }
    assert len(best) >= 13


def test_token_links_point_at_the_right_positions() -> None:
    pairs = toy_words()
    tokens = links.align(pairs, string_similarity).tokens
    assert tokens is not None and len(tokens.pair) > 4 * len(pairs)
    right = 0
    for p, i, j in zip(tokens.pair, tokens.foreign, tokens.english, strict=True):
        word = pairs[p][0][i].casefold()
        right += LEXICON.get(word, word) == pairs[p][1][j]
    assert right / len(tokens.pair) > 0.95


def test_align_of_nothing_is_empty() -> None:
    found = links.align([], string_similarity)
    assert len(found.counts) == 0 and found.tokens is not None and len(found.tokens.pair) == 0


@pytest.mark.parametrize(
    ("word", "latin"),
    [("Москва", "moskva"), ("Ärger", "arger"), ("१२", "12"), ("《", '"'), ("٣", "3")],
)
def test_romanise_spells_scripts_alike(word: str, latin: str) -> None:
    assert romanise(word).replace("w", "v") == latin


def test_ridge_recovers_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    x, true = rng.normal(size=(200, 5)), rng.normal(size=(5, 3))
    y = x @ true + 2.0
    features = vectors.sparse.csr_matrix(x)
    fitted, mean = vectors.ridge(features, y - x.mean(0) @ true, np.ones(200), penalty=1e-6)
    assert np.allclose(mean, 2.0) and np.abs(fitted - true).max() < 0.05


def test_graft_puts_a_word_near_its_translation(work: Path, parent_folder: Path) -> None:
    model, tokenizer = export.load_encoder(work / "graft")
    found = graft.load_words(work / "words" / "de.npz")
    parent = graft.load_parent(parent_folder)
    names = sorted(set(LEXICON.values()))
    english = parent.matrix(names)
    for word, translation in LEXICON.items():
        if word not in found.words:
            continue
        vector = found.vectors[found.words.index(word)]
        cosine = english @ vector / np.linalg.norm(english, axis=1) / np.linalg.norm(vector)
        assert names[int(cosine.argmax())] == translation, word
    assert model.config.vocab_size == tokenizer.get_vocab_size()
    encoding = tokenizer.encode("Der Hund sieht")
    assert encoding.tokens[0] == "[CLS]" and "[UNK]" not in tokenizer.encode("Der hund").tokens


def test_graft_keeps_special_and_english_pieces(work: Path, parent_folder: Path) -> None:
    model, tokenizer = export.load_encoder(work / "graft")
    parent = graft.load_parent(parent_folder)
    weight = model.embeddings.word_embeddings.weight.detach().numpy()
    for token in ("[CLS]", "[SEP]", "[MASK]"):
        mine = weight[tokenizer.token_to_id(token)]
        theirs = parent.embeddings[parent.tokenizer.token_to_id(token)]
        assert np.allclose(mine, theirs, atol=2e-3)


def test_shipped_folder_loads_as_cased_bert(work: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(work / "graft", local_files_only=True)
    model = transformers.AutoModel.from_pretrained(work / "graft", local_files_only=True)
    assert tokenizer.is_fast and model.dtype == torch.float32
    assert tokenizer.tokenize("Der") != tokenizer.tokenize("der")
    weights = {p.name for p in (work / "graft").iterdir()}
    assert weights == set(export.SHIPPED)


def make_trainer(corpus: Path, work: Path, parent_folder: Path, name: str) -> pretrain.Trainer:
    torch.set_num_threads(1)
    settings = pretrain.PretrainSettings(
        steps=24, frozen_steps=4, sentences=6, warmup=2, state_every=8, bf16=False, shard_mib=0.1,
        shares={"foreign": 0.4, "parallel": 0.3, "english": 0.1, "mlm": 0.2},
    )  # fmt: skip
    student, tokenizer = export.load_encoder(work / "graft")
    teacher = transformers.BertModel.from_pretrained(parent_folder)
    table = examples.TeacherTable(
        graft.load_parent(parent_folder),
        {"de": graft.load_words(work / "words" / "de.npz")},
        norm_power=1.0,
    )
    pools = stages.build_pools(
        corpus / "raw", corpus / "parallel", work, ["en", "de"], tokenizer, table
    )
    return pretrain.Trainer(
        student, tokenizer, pools, settings, work / name, teacher=teacher, table=table
    )


def test_killed_run_resumes_to_the_same_weights(
    corpus: Path, work: Path, parent_folder: Path
) -> None:
    whole = make_trainer(corpus, work, parent_folder, "whole")
    whole.run(progress=False)
    broken = make_trainer(corpus, work, parent_folder, "broken")
    for _ in range(11):  # killed three steps after the state of step 8 was written
        broken.train_step()
        if broken.step % 8 == 0:
            broken.save()
    resumed = make_trainer(corpus, work, parent_folder, "broken")
    assert resumed.step == 8
    resumed.run(progress=False)
    for (name, a), b in zip(
        whole.student.state_dict().items(), resumed.student.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert whole.tokens == resumed.tokens and whole.losses == resumed.losses


def test_frozen_steps_leave_the_body_alone(corpus: Path, work: Path, parent_folder: Path) -> None:
    trainer = make_trainer(corpus, work, parent_folder, "frozen")
    before = {k: v.clone() for k, v in trainer.student.state_dict().items()}
    for _ in range(4):
        trainer.train_step()
    changed = {k for k, v in trainer.student.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"embeddings.word_embeddings.weight"}


def test_distillation_lowers_its_loss(corpus: Path, work: Path, parent_folder: Path) -> None:
    trainer = make_trainer(corpus, work, parent_folder, "lower")
    trainer.settings.steps, trainer.settings.frozen_steps = 120, 0
    trainer.settings.body_rate = 1e-3
    items = [("de", e) for e in trainer.pools["foreign"][0].examples[:40]]
    with torch.no_grad():
        before = float(trainer.distil(items, 0).mean())
    for _ in range(100):
        trainer.train_step()
    with torch.no_grad():
        after = float(trainer.student.eval() and trainer.distil(items, 0).mean())
    assert after < 0.8 * before


def test_student_that_is_the_teacher_has_no_loss() -> None:
    states = [torch.randn(9, 4) for _ in range(3)]
    assert float(pretrain.distil_loss(states, states).sum()) == 0.0


def test_objective_without_text_is_refused(work: Path) -> None:
    student, tokenizer = export.load_encoder(work / "graft")
    settings = pretrain.PretrainSettings(shares={"mlm": 1.0})
    with pytest.raises(ValueError, match="mlm"):
        pretrain.Trainer(student, tokenizer, [], settings, work / "none")
    settings = pretrain.PretrainSettings(shares={"foreign": 1.0})
    with pytest.raises(ValueError, match="teacher"):
        pretrain.Trainer(student, tokenizer, [], settings, work / "none")


def test_from_scratch_shares_the_loop(corpus: Path, work: Path) -> None:
    _, tokenizer = export.load_encoder(work / "graft")
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=32, max_position_embeddings=160,
    )  # fmt: skip
    pools = stages.build_pools(
        corpus / "raw", corpus / "parallel", work, ["en", "de"], tokenizer, None
    )
    settings = pretrain.PretrainSettings(
        shares={"mlm": 0.5, "tlm": 0.5}, steps=6, frozen_steps=0, sentences=4, bf16=False
    )
    model = export.random_twin(config)
    trainer = pretrain.Trainer(model, tokenizer, pools, settings, work / "scratch")
    trainer.run(progress=False)
    assert trainer.step == 6 and {k.split("/")[0] for k in trainer.losses} <= {"mlm", "tlm"}


def test_state_shards_stay_small_and_a_torn_one_is_refused(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(100_000.0).reshape(1000, 100), "b": torch.tensor(3.0)}
    state.save_state(tmp_path, tensors, {"step": 1}, shard_mib=0.2)
    files = list(tmp_path.glob("*.safetensors"))
    assert len(files) > 1 and all(f.stat().st_size <= 0.2 * 2**20 for f in files)
    loaded = state.load_state(tmp_path)
    assert loaded is not None and torch.equal(loaded[0]["a"], tensors["a"])
    assert float(loaded[0]["b"]) == 3.0
    state.save_state(tmp_path, tensors, {"step": 2}, shard_mib=0.2)
    assert all("00000002" in f.name for f in tmp_path.glob("*.safetensors"))
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(ValueError, match="missing"):
        state.load_state(tmp_path)


def test_a_line_without_a_tab_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "de-en.tsv").write_text("ja\tyes\nkaputt\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 2.*kaputt"):
        list(text.parallel_lines(tmp_path, "de"))


def test_shares_refuse_what_they_do_not_know() -> None:
    assert stages.shares_of("mlm=1,tlm=0.5") == {"mlm": 1.0, "tlm": 0.5}
    with pytest.raises(ValueError, match="mlmm=1"):
        stages.shares_of("mlmm=1")


def test_han_cutter_finds_repeated_words(tmp_path: Path) -> None:
    rng = random.Random(0)
    words = ["北京", "图书馆", "我们", "喜欢", "上海"]
    lines = ["".join(rng.choices(words, k=4)) + "。" for _ in range(300)]
    cut = segment.cutter_for("zh", lines, tmp_path)
    found = cut("我们喜欢北京图书馆, ok。")
    assert "".join(found) == "我们喜欢北京图书馆,ok。" and "图书馆" in found and "。" in found
    assert "ok" in found and "们" not in found
    again = segment.cutter_for("zh", ["一" * 600], tmp_path)  # read, not learnt anew
    assert again("我们喜欢上海") == cut("我们喜欢上海")


@pytest.mark.parametrize("scratch", [False, True])
def test_command_line_runs_every_stage(
    corpus: Path, parent_folder: Path, probe_data: Path, tmp_path: Path, scratch: bool
) -> None:
    import build_encoder
    from typer.testing import CliRunner

    out, build = tmp_path / "out", tmp_path / "build"
    folders = ["--raw", corpus / "raw", "--parallel", corpus / "parallel", "--work", build]
    evaluate = ["--probe-data", probe_data, "--parallel-eval", corpus / "parallel", "--out", out]
    common = [*folders, "--langs", "en,de"]
    if scratch:
        stages_of = [
            ["vocabulary", *common],
            ["pretrain", *common, "--from-scratch", "--layers", 1, "--width", 32, "--steps", 2],
            ["card", *evaluate, "--work", build, "--langs", "en,de"],
        ]
    else:
        steps = ["--steps", 3, "--probe-every", 2, "--parent", parent_folder]
        stages_of = [["all", *common, *evaluate, *steps]]
    for arguments in stages_of:
        result = CliRunner().invoke(build_encoder.app, [str(word) for word in arguments])
        assert result.exit_code == 0, (result.output, result.exception)
    page = (out / "README.md").read_text(encoding="utf-8")
    assert ("random weights." in page) == scratch and ("English encoder" in page) != scratch
    assert transformers.AutoModel.from_pretrained(out, local_files_only=True) is not None


def test_entity_spans_follow_iob2() -> None:
    tags = ["B-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG"]
    assert probe.entity_spans(tags) == {
        (0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC"), (5, 6, "ORG"),
    }  # fmt: skip


@pytest.fixture
def probe_data(tmp_path: Path) -> Path:
    tags = dict.fromkeys(LEXICON, "NOUN") | dict.fromkeys(("sieht", "sucht", "malt"), "VERB")
    english = {LEXICON[w]: t for w, t in tags.items()}
    for lang, side, lexicon in (("en", 1, english), ("de", 0, tags)):
        for room, name in (("pos", "conllu"), ("ner-wikiann", "iob2")):
            (tmp_path / room / lang).mkdir(parents=True)
            for split in ("train", "test"):
                blocks = []
                for pair in toy_pairs(60, seed=len(split)):
                    words = pair[side].split()
                    upos = [lexicon.get(w.casefold(), "PUNCT") for w in words]
                    if room == "pos":
                        cells = [
                            f"{i}\t{w}\t_\t{u}\t_"
                            for i, (w, u) in enumerate(zip(words, upos, strict=True), 1)
                        ]
                    else:
                        cells = [
                            f"{w}\t{'B-LOC' if u == 'VERB' else 'O'}"
                            for w, u in zip(words, upos, strict=True)
                        ]
                    blocks.append("\n".join(cells) + "\n")
                path = tmp_path / room / lang / f"{split}.{name}"
                path.write_text("\n".join(blocks), encoding="utf-8")
    return tmp_path


def test_card_holds_measured_values_and_nothing_else(
    corpus: Path, work: Path, probe_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    model, tokenizer = export.load_encoder(work / "graft")
    export.save_encoder(model, tokenizer, out)
    measured: dict[str, Any] = card.measure(
        work, out, probe_data, corpus / "parallel", ["en", "de"], skip=10, n_test=20, n_train=30,
        epochs=2,
    )  # fmt: skip
    page = card.write_card(measured, out).read_text(encoding="utf-8")
    assert f"{measured['pos/encoder']['de']:.1f}" in page
    assert f"{measured['ner/encoder']['en']:.1f}" in page
    assert card.ROWS["hash_embed"] not in page  # never measured here, so never claimed
    assert "## Training" not in page  # this build was not trained
    saved = json.loads((work / card.MEASURED).read_text(encoding="utf-8"))
    assert saved["pos/majority"] == measured["pos/majority"]
    elsewhere = tmp_path / "baselines.json"
    elsewhere.write_text(json.dumps({"pos": {"en": 71.5, "de": 33.25}}), encoding="utf-8")
    measured = card.measure(
        work, out, probe_data, corpus / "parallel", ["en", "de"], baselines=elsewhere, skip=10,
        n_test=20, n_train=30, epochs=2,
    )  # fmt: skip
    retrieval = measured["retrieval/encoder/2"]
    assert set(retrieval) == {"de"} and 0.0 <= retrieval["de"] <= 100.0
    assert "33.2" in card.write_card(measured, out).read_text(encoding="utf-8")
    with torch.no_grad():
        model.pooler.dense.bias += 1.0
    export.save_encoder(model, tokenizer, out)
    (work / card.MEASURED).write_text(
        json.dumps(measured | {"pos/majority": {"en": 0.0, "de": 0.0}}), encoding="utf-8"
    )
    again = card.measure(
        work, out, probe_data, corpus / "parallel", ["en", "de"], skip=10, n_test=20, n_train=30,
        epochs=2,
    )  # fmt: skip
    assert again["pos/majority"]["en"] > 0  # other weights: nothing old is believed
    measured["pos/encoder"]["de"] = 12.3
    assert "12.3" in card.write_card(measured, out).read_text(encoding="utf-8")
