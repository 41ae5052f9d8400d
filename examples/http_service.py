"""A pipeline as an HTTP service, with nothing but the standard library.

    python examples/http_service.py 8000 --model xx_dlfa_ner
    curl -d '["Maria Lopez moved to Berlin.", "Мария Лопес переехала в Берлин."]' localhost:8000

`application` is the service, in ten lines; any WSGI server runs it. Texts of one request go through
the encoder together.
"""

import functools
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any
from wsgiref.simple_server import make_server

import spacy
import typer
from spacy.language import Language


def application(
    nlp: Language, request: dict[str, Any], respond: Callable[..., Any]
) -> Iterable[bytes]:
    """A JSON list of texts in, their entities and categories out."""
    body = request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
    # What the vocab learns from the texts of a request is forgotten with it.
    with nlp.memory_zone():
        answer = [
            {"ents": [[e.start_char, e.end_char, e.label_] for e in doc.ents], "cats": doc.cats}
            for doc in nlp.pipe(json.loads(body))
        ]
    respond("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode("utf-8")]


def main(
    port: Annotated[int, typer.Argument(help="Where to listen, on this machine only.")] = 8000,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline: folder or package.")
    ] = "xx_dlfa_ner",
) -> None:
    """Serve until interrupted."""
    service = functools.partial(application, spacy.load(model))
    with make_server("127.0.0.1", port, service) as server:
        print(f"http://127.0.0.1:{port}")
        server.serve_forever()


if __name__ == "__main__":
    typer.run(main)
