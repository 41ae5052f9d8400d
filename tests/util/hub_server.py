"""A stand-in for the Hugging Face Hub: what `huggingface_hub` needs to push a folder."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import yaml

TOKEN = "hf_right"
# Larger files are uploaded apart, and the commit names them by their hash.
LARGE = 4096


@dataclass
class Hub:
    """What has been pushed.

    repositories (Dict[str, Dict[str, Dict[str, bytes]]]): Name -> branch -> path -> content.
    private (Set[str]): Those that are.
    commits (List[str]): Their messages.
    lfs (Dict[str, bytes]): What was uploaded apart, by its hash.
    """

    url: str = ""
    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    lfs: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """YIELDS (Hub): What a server on this machine, at its `url`, is given."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/api/whoami-v2":
            self._answer({"name": "tester"}, 200) if self._may() else self._refuse(401)
        elif match := re.fullmatch("/api/models/([^/]+/[^/]+)", self.path):
            found = match[1] in self.hub.repositories
            self._answer({"id": match[1]}, 200) if found else self._missing()
        else:
            self._refuse(404)

    def do_PUT(self) -> None:
        content = self._body()
        name = self.path.rpartition("/")[2]
        right = hashlib.sha256(content).hexdigest() == name
        self.hub.lfs[name] = content
        self._answer({}, 200 if right else 400)

    def do_POST(self) -> None:
        body = self._body()
        if not self._may():
            self._refuse(401)
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif match := re.fullmatch("/(.+)[.]git/info/lfs/objects/batch", self.path):
            self._batch(json.loads(body))
        elif match := re.fullmatch(
            "/api/models/(.+?/.+?)/(preupload|commit|branch)/(.+)", self.path
        ):
            branches = self.hub.repositories.get(match[1])
            if branches is None:
                self._missing()
            elif match[2] == "branch":
                self._answer({}, 409 if match[3] in branches else 200)
                branches.setdefault(match[3], {})
            elif match[3] not in branches:
                self._refuse(404)
            elif match[2] == "preupload":
                self._preupload(json.loads(body)["files"])
            else:
                self._commit(match[1], branches[match[3]], body)
        else:
            self._refuse(404)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        is_new = name not in self.hub.repositories
        if is_new:
            self.hub.repositories[name] = {"main": {}}
            if asked.get("private"):
                self.hub.private.add(name)
        self._answer({"url": f"{self.hub.url}/{name}"}, 200 if is_new else 409)

    def _validate(self, text: str) -> None:
        head = yaml.safe_load(text.split("---\n")[1])
        errors = [] if isinstance(head, dict) else [{"message": "no keys and values"}]
        self._answer({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _preupload(self, files: list[dict[str, Any]]) -> None:
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] > LARGE else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        self._answer({"files": modes}, 200)

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {**x, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{x['oid']}"}}}
            for x in asked["objects"]
        ]
        self._answer({"transfer": "basic", "objects": objects}, 200)

    def _commit(self, name: str, files: dict[str, bytes], body: bytes) -> None:
        for line in body.decode().splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                self.hub.commits.append(value["summary"])
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.lfs[value["oid"]]
        commit = f"{len(self.hub.commits):040}"
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self._answer({"commitUrl": url, "commitOid": commit}, 200)

    def _may(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _refuse(self, status: int) -> None:
        self._answer({"error": "refused"}, status)

    def _missing(self) -> None:
        self._answer({"error": "missing"}, 404, {"X-Error-Code": "RepoNotFound"})

    def _answer(self, content: Any, status: int, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(text))}.items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text)
