"""Linear layers of the encoder, and its vocabulary, in four bits."""

from collections.abc import Sequence

from ..encoder.storage.int4_embedding import has_packed_embeddings, pack_vocabulary
from ..encoder.storage.int4_linear import pack_linears
from ..pipeline.readers import EncoderInUse


def make_int4(encoders: Sequence[EncoderInUse]) -> list[str]:
    """Round the weights of the encoders' Linear layers to four bits on disk. In memory they are
    fp32, and as fast as before; a layer that trains afterwards is saved in floats again.

    encoders (Sequence[EncoderInUse]): Changed in place.
    RETURNS (List[str]): How many layers, a line for each encoder.
    RAISES (ValueError): An encoder whose layers are packed already, are integers, or cannot be cut
        into blocks.
    """
    changes = []
    for encoder in encoders:
        try:
            names = pack_linears(encoder.model.transformer)
        except ValueError as error:
            raise ValueError(
                f'--int4: the encoder of "{encoder.component}": {error} Fix: leave out --int4.'
            ) from error
        if not names:
            raise ValueError(
                f'--int4: the Linear layers of the encoder of "{encoder.component}" are in four '
                "bits already, or int8. Expected floats. Fix: leave it out."
            )
        changes.append(f"{encoder.component}: {len(names)} Linear layers")
    return changes


def make_int4_embeddings(encoders: Sequence[EncoderInUse]) -> list[str]:
    """Keep the rows of the encoders' vocabularies in four bits, on disk and in memory. They do not
    train any more.

    encoders (Sequence[EncoderInUse]): Changed in place.
    RETURNS (List[str]): How far rows moved, a line for each encoder.
    RAISES (ValueError): An encoder without rows of floats, or whose width makes no blocks.
    """
    changes = []
    for encoder in encoders:
        transformer = encoder.model.transformer
        if has_packed_embeddings(transformer):
            raise ValueError(
                f'--int4-embeddings: the rows of the encoder of "{encoder.component}" are in four '
                "bits already. Fix: leave it out."
            )
        rows = transformer.get_input_embeddings()
        try:
            made = pack_vocabulary(transformer)
        except ValueError as error:
            raise ValueError(
                f'--int4-embeddings: the encoder of "{encoder.component}": {error} Fix: leave out '
                "--int4-embeddings."
            ) from error
        before = rows.weight.detach()
        moved = float((made.weight - before).norm() / before.norm().clamp_min(1e-12))
        changes.append(f"{encoder.component}: {made.num_embeddings} rows, moved by {moved:.1e}")
    return changes
