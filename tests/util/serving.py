"""A server in this process, on a port of its own, and pipelines for it."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
import spacy
import torch
import uvicorn
from life import initialized, listener, pipeline
from spacy.language import Language

from dlfa_spacy.pipeline.confidence import find_confidence
from dlfa_spacy.serve import ServedPipeline, ServeSettings
from dlfa_spacy.serve.app import create_app

# One that weighs each token's layers, one with a gate, one with weights for all, and a fixed mean.
COMPONENTS = {
    "ner": listener("attention"),
    "morphologizer": listener("fusion"),
    "senter": listener("mix"),
    "textcat": listener("mean"),
}


class Client:
    """Sends requests to a server.

    address (str): Its address.
    """

    def __init__(self, address: str):
        self.address = address
        self.session = requests.Session()

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.address}{path}", timeout=60)

    def post(self, path: str, body: Any = None, **given: Any) -> requests.Response:
        given = given or {"json": body}
        return self.session.post(f"{self.address}{path}", timeout=60, **given)


@contextmanager
def serving(pipelines: Sequence[ServedPipeline], **settings: Any) -> Iterator[Client]:
    """YIELDS (Client): Of a server that runs as long as this does."""
    app = create_app(pipelines, ServeSettings(**{"rate": 0, **settings}))
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.005)
            yield Client(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


def tiny(folder: str, **settings: Any) -> Language:
    """RETURNS (Language): A trained pipeline that predicts what the page shows."""
    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    nlp = initialized(pipeline(folder, COMPONENTS, **settings), steps=40, learn_rate=3e-3)
    find_confidence(nlp)
    return nlp
