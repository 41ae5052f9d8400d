"""The pages, which lie beside this file: HTML, a style and scripts, nothing from elsewhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse

HERE = Path(__file__).parent
_FILES = {
    "/": "index.html",
    "/docs": "docs.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/docs.js": "docs.js",
    "/examples.json": "examples.json",
}
_HEADERS = {
    # A text that is shown can run nothing, and the page asks nobody but its own server.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """Give an application its pages."""
    for path, name in _FILES.items():
        app.add_api_route(path, _sender(name), include_in_schema=False)


def _sender(name: str) -> Callable[[], Awaitable[FileResponse]]:
    """RETURNS (Callable): An endpoint that answers with a file."""

    async def send() -> FileResponse:
        return FileResponse(HERE / name, headers=_HEADERS)

    return send
