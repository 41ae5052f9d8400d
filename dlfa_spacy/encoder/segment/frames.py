"""The special tokens that a tokenizer puts around one text, and around a pair of texts."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

# Which frame a text has in its window.
SINGLE, FIRST, SECOND = 0, 1, 2


@dataclass(frozen=True)
class Frame:
    """What stands around the wordpieces of one text.

    before, after (List[int]): Ids of the special tokens.
    before_types, after_types (List[int]): Their token types.
    piece_type (int): The token type of the text's own pieces.
    """

    before: list[int]
    after: list[int]
    before_types: list[int]
    after_types: list[int]
    piece_type: int

    @property
    def size(self) -> int:
        return len(self.before) + len(self.after)


@dataclass(frozen=True)
class Frames:
    """The frames of a tokenizer, by `SINGLE`, `FIRST` and `SECOND`: of a single text, and of the
    two texts of a pair, where the second has what stands between them in front of it.

    frames (List[Frame]): The three.
    has_types (bool): Whether the tokenizer gives token types at all.
    """

    frames: list[Frame]
    has_types: bool

    def __getitem__(self, kind: int) -> Frame:
        return self.frames[kind]

    @property
    def single_size(self) -> int:
        """Special tokens around a single text."""
        return self.frames[SINGLE].size

    @property
    def pair_size(self) -> int:
        """Special tokens around a pair."""
        return self.frames[FIRST].size + self.frames[SECOND].size


def find_frames(tokenizer: PreTrainedTokenizerBase) -> Frames:
    """Find a tokenizer's special tokens by example.

    `build_inputs_with_special_tokens` is no help: it ignores the post-processor of a
    tokenizer.json, which is where many models keep their special tokens.

    RAISES (ValueError): The tokenizer changes the wordpieces of a text when it adds them.
    """
    first = tokenizer("a", add_special_tokens=False)["input_ids"]
    second = tokenizer("b", add_special_tokens=False)["input_ids"]
    single = tokenizer("a")
    pair = tokenizer("a", "b")
    begin = _find(tokenizer, single["input_ids"], first, 0)
    begin_first = _find(tokenizer, pair["input_ids"], first, 0)
    end_first = begin_first + len(first)
    begin_second = _find(tokenizer, pair["input_ids"], second, end_first)
    end_second = begin_second + len(second)
    return Frames(
        [
            _frame(single, 0, begin, begin + len(first), None),
            _frame(pair, 0, begin_first, end_first, end_first),
            _frame(pair, end_first, begin_second, end_second, None),
        ],
        "token_type_ids" in pair,
    )


def _frame(encoded: object, start: int, begin: int, end: int, stop: int | None) -> Frame:
    """RETURNS (Frame): Of the pieces [begin, end) in what stands from start to stop."""
    ids = encoded["input_ids"]  # type: ignore[index]
    types = encoded.get("token_type_ids", [0] * len(ids))  # type: ignore[attr-defined]
    return Frame(ids[start:begin], ids[end:stop], types[start:begin], types[end:stop], types[begin])


def _find(tokenizer: PreTrainedTokenizerBase, ids: list[int], text: list[int], start: int) -> int:
    for begin in range(start, len(ids) - len(text) + 1):
        if ids[begin : begin + len(text)] == text:
            return begin
    raise ValueError(
        f"The tokenizer {type(tokenizer).__name__} changes a text's wordpieces when it adds "
        f"special tokens ({text} became {ids}), which is not supported. Fix: choose another "
        "encoder ([components.transformer.model] name)."
    )
