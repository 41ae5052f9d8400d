"""What tells one text from another: exactly what the encoder reads of it."""

import hashlib

import numpy

from ..segment.windows import Windows

KEY_BYTES = 16


def doc_keys(windows: Windows) -> list[bytes]:
    """Name the Docs of a batch by their wordpieces, their token types, and how they are cut.

    Words, spaces, pairs and settings of the span getter matter in so far as they change these, so
    that the same key means the same layers.

    windows (Windows): The batch.
    RETURNS (List[bytes]): KEY_BYTES for each Doc.
    """
    keys = []
    for i in range(len(windows.doc_windows)):
        begin, end = windows.doc_rows[i], windows.doc_rows[i + 1]
        lengths = windows.doc_window_lengths(i)
        seen = hashlib.blake2b(
            numpy.asarray([len(lengths), *lengths], "<i8").tobytes(), digest_size=KEY_BYTES
        )
        seen.update(windows.ids[begin:end].astype("<i8").tobytes())
        # Beside a text with other types, one of zeros alone is written out.
        if windows.types is not None and windows.types[begin:end].any():
            seen.update(windows.types[begin:end].astype("<i8").tobytes())
        keys.append(seen.digest())
    return keys
