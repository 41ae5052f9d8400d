"""Which wordpieces belong to which token: equal to stock spacy-transformers, whatever the text."""

import json
from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy_transformers.align import get_alignment_via_offset_mapping
from tiny import tiny_bert, tiny_xlm_roberta, wordpiece_vocab
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertTokenizer,
    BertTokenizerFast,
    CanineTokenizer,
    GPT2Tokenizer,
    PhobertTokenizer,
    PreTrainedTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    RobertaTokenizerFast,
)

from dlfa_spacy.encoder.segment.alignment import TokenTable, align_pieces, tokens_of_pieces
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.segmenter import Segmenter
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.tokenizer import make_tokenizer

NLP = spacy.blank("xx")
TOKENIZERS = [NLP.tokenizer, make_tokenizer(NLP)]
CHARACTERS = (
    "abcdefgh AnnaBerlin unable   \n\n\t.,!-'\"()#äößéñ中国的人日本語かなカナ。、ไทยสวัสดีน้ำकखगि्ابتث"
    "שלום😀👩‍💻🏳️‍🌈e\u0301\u0327\u00ad\u200b\u200c\u200d\ufeff\u2028\u3000\x00\x07\x7f\ufffd𠜎𝔘ﬁ½"
)
TEXTS = st.text(st.sampled_from(CHARACTERS), max_size=60) | st.text(max_size=40)


def byte_level(trim: bool) -> PreTrainedTokenizerFast:
    """As RoBERTa's: several pieces share one character, and may hold the space before it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(["<s>", "</s>", "<unk>", *alphabet, "Ġa", "nn"])}
    tokenizer = Tokenizer(models.BPE(vocab, [("Ġ", "a"), ("n", "n")], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 1), ("<s>", 0), trim_offsets=trim, add_prefix_space=False
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.fixture(scope="module", params=["bert", "xlm_roberta", "byte_level", "byte_level_trimmed"])
def tokenizer(request, tmp_path_factory):
    if request.param.startswith("byte"):
        return byte_level(request.param.endswith("trimmed"))
    make = {"bert": tiny_bert, "xlm_roberta": tiny_xlm_roberta}[request.param]
    return AutoTokenizer.from_pretrained(make(tmp_path_factory.mktemp(request.param)))


def stock_rows(tokenizer, doc: Doc) -> list[list[int]]:
    """For every token its rows, computed by stock code from the encoding of the whole Doc."""
    if not len(doc):
        return []
    encoded = tokenizer([doc.text], return_offsets_mapping=True)
    spaces = {token.idx + len(token) for token in doc if token.whitespace_}
    offsets = [without_spaces(a, b, spaces) for a, b in encoded["offset_mapping"][0]]
    array = numpy.asarray([offsets], dtype="int32")
    return rows_of(get_alignment_via_offset_mapping([doc[:]], array))


def without_spaces(start: int, end: int, spaces: set[int]) -> tuple[int, int]:
    """The one difference from stock code, which takes the space after a token for a part of it: a
    piece such as "\u2581Berlin" would then belong to the word before as well. Nothing to do for
    pieces that hold no space, as those of BERT."""
    while start < end and start in spaces:
        start += 1
    while start < end and end - 1 in spaces:
        end -= 1
    return start, end


def rows_of(align) -> list[list[int]]:
    ends = numpy.cumsum(align.lengths)
    return [align.dataXd[e - n : e].tolist() for e, n in zip(ends, align.lengths, strict=True)]


def clean(text: str) -> str:
    return text.encode("utf-8", "ignore").decode("utf-8")


def check(tokenizer, texts: list[str], make_doc) -> None:
    docs = [make_doc(clean(text)) for text in texts]
    windows = Segmenter(PieceTokenizer(tokenizer), WordpieceSpans(10**6, 10**6), 10**7)(docs)
    assert int(windows.lengths.sum()) == len(windows.ids) == windows.doc_rows[-1]
    for i, doc in enumerate(docs):
        assert rows_of(windows.doc_align(i)) == stock_rows(tokenizer, doc), doc.text
        begin, end = windows.doc_rows[i], windows.doc_rows[i + 1]
        expected = tokenizer(doc.text)["input_ids"] if len(doc) else []
        assert windows.ids[begin:end].tolist() == expected


@settings(max_examples=120, deadline=None)
@given(texts=st.lists(TEXTS, max_size=5), ours=st.booleans())
def test_equals_stock_alignment_on_random_texts(tokenizer, texts, ours):
    check(tokenizer, texts, TOKENIZERS[ours])


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(words=st.lists(TEXTS.map(clean).filter(bool), min_size=1, max_size=10), data=st.data())
def test_equals_stock_alignment_on_random_words(tokenizer, words, data):
    spaces = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    doc = Doc(NLP.vocab, words=words, spaces=spaces)
    check(tokenizer, [doc.text], lambda text: doc)


def test_pieces_without_spaces_equal_stock_alignment_as_it_is(multilingual):
    doc = NLP("Anna  lives in \n\n Berlin, unable. 中国的人 👩‍💻 ")
    offsets = multilingual([doc.text], return_offsets_mapping=True)["offset_mapping"]
    stock = get_alignment_via_offset_mapping([doc[:]], numpy.asarray(offsets, dtype="int32"))
    windows = Segmenter(PieceTokenizer(multilingual), WordpieceSpans(60, 60), 62)([doc])
    assert rows_of(windows.align) == rows_of(stock)


def test_a_piece_with_the_space_before_it_belongs_to_its_own_word_only():
    tokenizer = byte_level(trim=False)
    windows = Segmenter(PieceTokenizer(tokenizer), WordpieceSpans(60, 60), 62)([NLP("b a")])
    assert tokenizer.convert_ids_to_tokens(windows.ids.tolist()) == ["<s>", "b", "Ġa", "</s>"]
    assert rows_of(windows.align) == [[1], [2]]


EDGES = [
    "",
    " ",
    "\n\n",
    "  leading",
    "trailing  ",
    "a  b   c",
    "\u200b",
    "Anna\n\n\nlives",
    "👩‍💻👨‍👩‍👧 🏳️‍🌈",
    "cafe\u0301 नमस्ते ภาษาไทย",
    "\x00\x07a\x7f",
]


def test_edges_in_one_batch(tokenizer):
    check(tokenizer, EDGES, NLP.tokenizer)
    check(tokenizer, EDGES[::-1], NLP.tokenizer)


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory) -> BertTokenizerFast:
    """A twin of the real multilingual vocabulary: WordPiece, cased, characters of many scripts."""
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(wordpiece_vocab()), encoding="utf-8")
    return BertTokenizerFast(str(path), do_lower_case=False)


MULTILINGUAL_TEXTS = [
    "Angela Merkel besuchte gestern die Universität Zürich.",
    "Путин приехал в Санкт-Петербург, а потом — в Москву.",
    "ذهبت إلى المكتبة لشراء كتاب جديد.",
    "वह कल दिल्ली गया था।",
    "北京是中华人民共和国的首都，人口2100万。",
    "東京タワーはどこですか？",
    "ฉันรักภาษาไทยมาก",
    "שלום עולם! don't l'homme 3.14€ 👩‍💻",
]


def test_multilingual_sentences_equal_stock_alignment(multilingual):
    for make_doc in TOKENIZERS:
        check(multilingual, MULTILINGUAL_TEXTS, make_doc)


def test_real_multilingual_vocabulary_equals_stock_alignment(data_folder: Path):
    path = data_folder / "mbert-vocab.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    real = BertTokenizerFast(str(path), do_lower_case=False)
    assert real.vocab_size > 100_000
    for make_doc in TOKENIZERS:
        check(real, MULTILINGUAL_TEXTS + EDGES, make_doc)
    files = sorted(data_folder.rglob("*.conllu"))[:6]
    lines = [x for f in files for x in f.read_text(encoding="utf-8").splitlines()[:400]]
    texts = [line[9:] for line in lines if line.startswith("# text = ")]
    for make_doc in TOKENIZERS:
        check(real, texts, make_doc)


def test_a_slow_tokenizer_is_aligned_like_its_fast_twin(multilingual, tmp_path):
    multilingual.save_vocabulary(str(tmp_path))
    slow = PieceTokenizer(BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=False))
    fast = PieceTokenizer(multilingual)
    texts = ["Anna lives in Berlin, unable.", "", " ", "the 中国人 (in) Berlin's", "a\n\nb  c"]
    docs = [TOKENIZERS[1](text) for text in texts]
    found, expected = (Segmenter(t, WordpieceSpans(64, 64), 64)(docs) for t in (slow, fast))
    assert found.ids.tolist() == expected.ids.tolist()
    assert rows_of(found.align) == rows_of(expected.align)


def test_an_unknown_piece_of_a_slow_tokenizer_gets_what_its_neighbours_leave(
    tmp_path, multilingual
):
    multilingual.save_vocabulary(str(tmp_path))
    slow = PieceTokenizer(BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=False))
    pieces = slow(["Anna,鬱the"])
    assert pieces.starts.tolist() == [0, 4, 5, 6]
    assert pieces.ends.tolist() == [4, 5, 6, 9]


def byte_level_files(folder: Path) -> tuple[str, str]:
    """RETURNS: The vocabulary and the merges of a tokenizer as GPT-2 and RoBERTa have it."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    pieces = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġa", "nn", "Ann"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\nĠ a\nn n\nA nn\n", encoding="utf-8")
    return str(folder / "vocab.json"), str(folder / "merges.txt")


def pair_merges(folder: Path) -> tuple[str, str]:
    """RETURNS: The files of a tokenizer whose pieces inside a word end in @@."""
    letters = sorted(set("".join("".join(EDGES + MULTILINGUAL_TEXTS).split())))
    pieces = [*letters, *(f"{letter}@@" for letter in letters)]
    (folder / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    (folder / "bpe.codes").write_text("#version: 0.2\n", encoding="utf-8")
    return str(folder / "dict.txt"), str(folder / "bpe.codes")


SLOW = {
    "bert": lambda path: BertTokenizer(vocab_of(path), do_lower_case=False),
    "bert_uncased": lambda path: BertTokenizer(vocab_of(path), do_lower_case=True),
    "roberta": lambda path: RobertaTokenizer(*byte_level_files(path)),
    "roberta_prefix": lambda path: RobertaTokenizer(*byte_level_files(path), add_prefix_space=True),
    "gpt2": lambda path: GPT2Tokenizer(*byte_level_files(path)),
    "gpt2_prefix": lambda path: GPT2Tokenizer(*byte_level_files(path), add_prefix_space=True),
    "canine": lambda path: CanineTokenizer(),
    "phobert": lambda path: PhobertTokenizer(*pair_merges(path)),
}


def vocab_of(folder: Path) -> str:
    path = folder / "vocab.txt"
    path.write_text("\n".join(wordpiece_vocab()), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module", params=sorted(SLOW))
def slow(request, tmp_path_factory) -> PreTrainedTokenizer:
    return SLOW[request.param](tmp_path_factory.mktemp(request.param))


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS.map(clean), max_size=4))
@example(texts=[*EDGES, *MULTILINGUAL_TEXTS])
@example(texts=["Anna a <mask> b", "[MASK] a[SEP] b", "in Berlin  \n a"])
def test_every_slow_tokenizer_gives_its_own_ids(slow, texts):
    pieces = PieceTokenizer(slow)(texts)
    expected = [slow(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert pieces.lengths.tolist() == [len(ids) for ids in expected]
    assert pieces.ids.tolist() == [i for ids in expected for i in ids]
    ends = numpy.repeat([len(text) for text in texts], pieces.lengths)
    assert (0 <= pieces.starts).all() and (pieces.starts <= pieces.ends).all()
    assert (pieces.ends <= ends).all()


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS.map(clean), max_size=4))
@example(texts=[*EDGES, *MULTILINGUAL_TEXTS])
@example(texts=["<s> Anna a <mask> b", "don't  a a"])
def test_a_slow_byte_level_tokenizer_is_aligned_like_its_fast_twin(byte_level_twins, texts):
    slow, fast = (PieceTokenizer(twin)(texts) for twin in byte_level_twins)
    assert slow.ids.tolist() == fast.ids.tolist()
    docs = [NLP(text) for text in texts]
    aligned = [
        Segmenter(PieceTokenizer(twin), WordpieceSpans(10**6, 10**6), 10**7)(docs).align
        for twin in byte_level_twins
    ]
    assert rows_of(aligned[0]) == rows_of(aligned[1])


@pytest.fixture(scope="module")
def byte_level_twins(tmp_path_factory):
    files = byte_level_files(tmp_path_factory.mktemp("byte_level"))
    return RobertaTokenizer(*files), RobertaTokenizerFast(*files)


def test_a_piece_that_the_words_alone_would_not_have_belongs_to_its_word(tmp_path):
    slow = RobertaTokenizer(*byte_level_files(tmp_path))
    windows = Segmenter(PieceTokenizer(slow), WordpieceSpans(60, 60), 62)([NLP("Anna a é")])
    pieces = ["<s>", "Ann", "a", "Ġa", "Ġ", "Ã", "©", "</s>"]
    assert slow.convert_ids_to_tokens(windows.ids.tolist()) == pieces
    assert rows_of(windows.align) == [[1, 2], [3], [5, 6]]


@pytest.mark.slow
def test_each_character_is_a_piece_of_its_token_where_blanks_are_pieces_too():
    windows = Segmenter(PieceTokenizer(CanineTokenizer()), WordpieceSpans(60, 60), 62)(
        [NLP("Ann in")]
    )
    assert rows_of(windows.align) == [[1, 2, 3], [5, 6]]


def table(words: list[str], spaces: list[bool]) -> TokenTable:
    return TokenTable([Doc(NLP.vocab, words=words, spaces=spaces)])


@pytest.mark.parametrize(
    "start, end, tokens",
    [
        (0, 2, [0]),  # a whole token
        (1, 2, [0]),  # a part of one
        (2, 5, [1]),  # with the space before it
        (2, 3, []),  # the space alone
        (0, 5, [0, 1]),  # two tokens
        (5, 6, [2]),  # a token that follows without a space
        (4, 6, [1, 2]),
        (0, 0, []),  # no characters: a special token, or a prefix space
        (3, 3, []),
        (4, 4, []),
        (6, 6, []),
        (0, 6, [0, 1, 2]),
    ],
)
def test_tokens_of_a_piece(start, end, tokens):
    first, last = tokens_of_pieces(
        table(["ab", "cd", "."], [True, False, False]), numpy.array([start]), numpy.array([end])
    )
    assert list(range(first[0], last[0] + 1)) == tokens


def test_the_table_of_docs_with_spaces_around_and_nothing_inside():
    docs = [NLP(text) for text in ("", " a", "b ", "", "\n\n", "c d  ", "")]
    tokens = TokenTable(docs)
    assert tokens.doc_tokens.tolist() == [0, 0, 2, 3, 3, 4, 7, 7]
    line = "".join(doc.text + "\x00" for doc in docs)
    words = [t.text for doc in docs for t in doc]
    assert [line[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)] == words
    assert len(tokens) == 7 and len(TokenTable([])) == 0
    assert [line[c:].startswith(d.text) for c, d in zip(tokens.doc_chars, docs, strict=True)]


def test_rows_of_a_token_that_is_in_two_windows():
    first = numpy.array([0, 0, 1, 0, 0, 1, 2])
    align = align_pieces(first, first, numpy.array([1, 2, 3, 6, 7, 8, 9]), 4)
    assert rows_of(align) == [[1, 2, 6, 7], [3, 8], [9], []]
