"""What all fuzz targets share: how many cases, what may happen, and what bad input is made of.

CI runs a few cases of each in seconds. More of them, which are others every time:

    DLFA_FUZZ_EXAMPLES=20000 python -m pytest tests/fuzz
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("DLFA_FUZZ_EXAMPLES", "0"))
# Of the processor's time; a slow machine and the tokenizer's first call are in it.
SECONDS = 3.0

fuzz = settings(
    max_examples=EXAMPLES or 100,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# Bytes that have broken a reader somewhere.
HOSTILE = [
    b"\0", b"\t", b"\n", b"\n\n", b"\r", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud83d",
    b"\\u0000", b"9" * 5000, b"1-2", b"2-1", b"1.1", b"1-99999", b"-1", b"NaN", b"1e999", b"null",
    b"true", b"[" * 3000, b'{"a":' * 3000, b"{", b"}", b"]", b'"', b"'", b"=", b"|", b"_", b"#",
    b"# topic = ", b"Entity=B-X", b"SpaceAfter=No", b"B-", b"I-X", b"O", b"../../x", b"/",
    b"language", b"label", b"cats", b"<", b">", b"&", b"&lt;", b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"</tu>", b"<tu>", b"<seg>", b"]]>", b"<![CDATA[", b" ", b"  ", b"\xe2\x90\x9e", b"\xc2\xb2",
    b"\xe2\x80\xa8", b"\xd9\xa3", b"[sweep]", b"[sweep.epochs]", b"${a.b}", b"a" * 3000,
]  # fmt: skip

_changes = st.lists(
    st.tuples(
        st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(HOSTILE) | st.binary(max_size=4)
    ),
    max_size=4,
)


@st.composite
def damaged(draw: st.DrawFn, *samples: bytes) -> bytes:
    """One of the samples with a few places overwritten, or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    content = draw(st.sampled_from(samples))
    for place, length, put in draw(_changes):
        place %= len(content) + 1
        content = content[:place] + put + content[place + length :]
    return (
        content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 4)) == 0 else content
    )


# Whatever JSON can hold, and what only Python's reader of it can.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=6)
    | st.sampled_from(["../../x", "pos", "en", "", 10**400, -1, 10**6]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@contextmanager
def own_errors(*names: str | Path) -> Iterator[None]:
    """Bad input ends soon: all is well, or an error of ours that names the file and a fix."""
    start = time.process_time()
    try:
        yield
    except ValueError as error:
        assert type(error) is ValueError, repr(error)
        message = str(error)
        assert any(str(name) in message for name in names), message
        assert "expected" in message.lower(), message
        assert len(message) < 3000, message
        message.encode("utf-8")
    assert time.process_time() - start < SECONDS
