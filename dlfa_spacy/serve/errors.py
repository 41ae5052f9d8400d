"""Errors as JSON that say what to do, and never repeat a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

# Statuses that every endpoint with a text may answer with.
STATUSES = {
    400: "The body cannot be read.",
    404: "There is no pipeline of that name, or it compares no pairs.",
    413: "A text, or the body, is too long; or there are too many texts.",
    422: "The request is not as described.",
    429: "Too many texts in a minute.",
    500: "The pipeline failed on the text.",
    503: "Too many texts wait.",
}
# Of what is wrong with a request so much is told: there may be a field for each byte.
_ERRORS, _LETTERS = 3, 200


def problem(status: int, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """RETURNS (JSONResponse): An answer that is none, see `schema.Problem`."""
    return JSONResponse({"error": text}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Have an application answer with `problem` whatever goes wrong."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ResponseValidationError, _no_answer)


async def _http(request: Request, error: Exception) -> JSONResponse:
    known = cast(Any, error)
    return problem(known.status_code, str(known.detail), known.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    found = [
        f"{'.'.join(map(str, each['loc']))[:_LETTERS]}: {each['msg']}"
        for each in cast(Any, error).errors()[:_ERRORS]
    ]
    # The name of a field may have half of a surrogate pair in it.
    text = "; ".join(found).encode("utf-8", "replace").decode()
    return problem(422, f"{text}. Fix: see /docs.")


async def _no_answer(request: Request, error: Exception) -> JSONResponse:
    # What it says has the text in it.
    return problem(500, "The pipeline's answer is not as described. Fix: ask its author.")
