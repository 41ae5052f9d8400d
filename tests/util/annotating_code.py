"""Components of a user, as `--code` loads them: one that fails, kills or waits, as a text asks."""

import os
import signal
import time
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span

Doc.set_extension("language", default=None, force=True)
Span.set_extension("confidence", default=None, force=True)


@Language.component("obedient")
def obedient(doc: Doc) -> Doc:
    words = doc.text.split()
    if "FAIL" in words:
        raise RuntimeError("told to fail")
    if "KILL" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "WAIT" in words:
        time.sleep(0.003)
    for word in words:
        # FAIL:2:FILE fails the first two times, counted in a file.
        if word.startswith(("FAIL:", "KILL:")):
            what, times, name = word.split(":", 2)
            log = Path(name)
            before = log.stat().st_size if log.exists() else 0
            if before < int(times):
                log.write_text("x" * (before + 1))
                if what == "KILL":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("told to fail some times")
    return doc


@Language.component("talker")
def talker(doc: Doc) -> Doc:
    print("what a component prints")
    return doc


@Language.component("judge", assigns=["doc.cats", "token.lemma", "doc.spans"])
def judge(doc: Doc) -> Doc:
    doc.cats = {"long": float(len(doc) > 3)}
    doc.spans["first"] = [doc[:1]] if len(doc) else []
    doc._.language = "en" if len(doc) else None
    for token in doc:
        token.lemma_ = token.lower_
    for ent in doc.ents:
        ent._.confidence = 0.5
    return doc
