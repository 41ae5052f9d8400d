"""What decides the bytes of a result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..checks import check_choice, check_number

JSONL, PARQUET = "jsonl", "parquet"
# What every row of a result may have: no column of the input is carried along under such a name.
OWN_COLUMNS = ("id", "language", "entities", "tokens", "cats", "spans")


@dataclass(frozen=True)
class AnnotationSettings:
    """How texts are annotated.

    model (str): Folder or package of a trained pipeline.
    text_column (str): Where rows of JSONL and Parquet have their text.
    id_column (str): Where they have their id; by default "id", in files that have it.
    keep (Tuple[str, ...]): Columns that are carried along.
    format (str): Of the result, "jsonl" or "parquet".
    tokens (bool): Give the tokens too.
    shard_size (int): Rows of a shard, at most.
    batch_size (int): Texts of a batch; 0 for the pipeline's own setting.
    max_length (int): Characters of a text, at most; 0 for the pipeline's own setting.
    retries (int): How often a text that fails is tried again.
    code (str): Python file with the functions that the pipeline needs.
    """

    model: str
    text_column: str = "text"
    id_column: str = ""
    keep: tuple[str, ...] = ()
    format: str = JSONL
    tokens: bool = False
    shard_size: int = 1000
    batch_size: int = 0
    max_length: int = 0
    retries: int = 3
    code: str = ""

    def __post_init__(self) -> None:
        check_choice("format", self.format, (JSONL, PARQUET))
        check_number("shard_size", self.shard_size, self.shard_size > 0, "1 or more", 1000)
        for name, usual in (("batch_size", 0), ("max_length", 0), ("retries", 3)):
            value = getattr(self, name)
            check_number(name, value, value >= 0, "0 or more", usual)
        for name in self.keep:
            if name in OWN_COLUMNS:
                raise ValueError(
                    f"keep = {name}: expected a column whose name no column of the result has "
                    f"({', '.join(OWN_COLUMNS)}). Fix: rename it in the input, or leave it out."
                )

    @property
    def id_name(self) -> str:
        """RETURNS (str): The column with the ids, if a file has it."""
        return self.id_column or "id"

    def content(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What a result depends on, but the pipeline and its code."""
        content = asdict(self)
        del content["model"], content["code"]
        return {**content, "keep": list(self.keep)}
