"""The API and its page, as an application that any ASGI server runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException, Request

from ..about import __version__
from ..pairs import REPLACEMENT, join_pair
from ..tokenizer import SURROGATE
from .batching import Batcher, Busy, Job, PipelineFailed
from .body import BodyLimit
from .errors import STATUSES, add_handlers
from .page import add_page
from .rate import RateLimit
from .schema import (
    Annotation,
    Annotations,
    Health,
    Info,
    PairRequest,
    Problem,
    TextRequest,
    TextsRequest,
)
from .served import ServedPipeline
from .settings import ServeSettings


def create_app(
    pipelines: Sequence[ServedPipeline], settings: ServeSettings | None = None
) -> FastAPI:
    """Make the application. The threads that annotate run from its start to its end.

    pipelines (Sequence[ServedPipeline]): One or more, of which the first is the usual one.
    settings (Optional[ServeSettings]): Limits and batches.
    RETURNS (FastAPI): The application.
    """
    settings = settings or ServeSettings()
    desk = _Desk(pipelines, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for batcher in desk.batchers.values():
            batcher.start()
        yield
        for batcher in desk.batchers.values():
            await asyncio.to_thread(batcher.stop)

    app = FastAPI(
        title="dlfa_spacy",
        version=__version__,
        description="Entities, parts of speech, topics and pairs of texts, in any language.",
        lifespan=lifespan,
        # Their pages load scripts from the network.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, most=settings.max_bytes)
    add_handlers(app)
    add_page(app)
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text} for status, text in STATUSES.items()
    }
    info = {
        "version": __version__,
        "limits": asdict(settings),
        "pipelines": [pipeline.info() for pipeline in pipelines],
    }

    @app.post("/api/text", responses=responses, response_model_exclude_none=True)
    async def annotate_text(body: TextRequest, request: Request) -> Annotation:
        """Annotate a text."""
        (answer,) = await desk.answers(body.pipeline, [body.text], body.layers, request)
        return answer

    @app.post("/api/texts", responses=responses, response_model_exclude_none=True)
    async def annotate_texts(body: TextsRequest, request: Request) -> Annotations:
        """Annotate several texts."""
        answers = await desk.answers(body.pipeline, body.texts, body.layers, request)
        return Annotations(annotations=answers)

    @app.post("/api/pair", responses=responses, response_model_exclude_none=True)
    async def annotate_pair(body: PairRequest, request: Request) -> Annotation:
        """Compare two texts. Offsets are those of `first ␞ second`."""
        pair = body.first, body.second
        (answer,) = await desk.answers(body.pipeline, [pair], body.layers, request)
        return answer

    @app.get("/api/info")
    async def get_info() -> Info:
        """What is served: pipelines, what they predict, labels, languages, layers; limits."""
        return Info.model_validate(info)

    @app.get("/health")
    async def health() -> Health:
        """Whether the server answers."""
        return Health(status="ok")

    return app


class _Desk:
    """Takes requests, and gives them to the pipeline that they ask for."""

    def __init__(self, pipelines: Sequence[ServedPipeline], settings: ServeSettings) -> None:
        self.settings = settings
        self.pipelines = {pipeline.name: pipeline for pipeline in pipelines}
        self.batchers = {
            name: Batcher(pipeline.annotate, settings) for name, pipeline in self.pipelines.items()
        }
        self.rate = RateLimit(settings.rate)

    async def answers(
        self,
        name: str | None,
        texts: Sequence[str | tuple[str, str]],
        layers: bool,
        request: Request,
    ) -> list[Any]:
        """
        name (Optional[str]): Which pipeline; None for the first.
        texts (Sequence[Union[str, Tuple[str, str]]]): Texts, or pairs.
        layers (bool): Tell layers, too.
        request (Request): Who asks.
        RETURNS (List[Any]): Answers, in the same order.
        RAISES (HTTPException): They are too many or too long, or something went wrong.
        """
        known = list(self.pipelines)
        name = known[0] if name is None else name
        if name not in known:
            fix = f"expected one of {', '.join(known)}. Fix: leave it out, for {known[0]}."
            raise HTTPException(404, f"pipeline: there is none of that name, {fix}")
        self._check_lengths(texts)
        if any(isinstance(text, tuple) for text in texts):
            self._check_pairs(name)
        client = request.client.host if request.client else ""
        seconds = math.ceil(self.rate.take(client, len(texts)))
        if seconds:
            text = f"Found more than {self.settings.rate} texts in a minute. Fix: wait {seconds} s."
            raise HTTPException(429, text, {"Retry-After": str(seconds)})
        joined = [text if isinstance(text, str) else join_pair(*text)[0] for text in texts]
        # Half of a character, which JSON can escape and no Doc can hold.
        jobs = [Job(SURROGATE.sub(REPLACEMENT, text), layers) for text in joined]
        try:
            waiting = self.batchers[name].submit(jobs)
            return await asyncio.gather(*map(asyncio.wrap_future, waiting))
        except Busy:
            text = "Too many texts wait. Fix: try again in a second."
            raise HTTPException(503, text, {"Retry-After": "1"}) from None
        except PipelineFailed as error:
            text = f"The pipeline failed on a text ({error}). Fix: leave it out."
            raise HTTPException(500, text) from None

    def _check_lengths(self, texts: Sequence[str | tuple[str, str]]) -> None:
        most = self.settings.max_texts
        if len(texts) > most:
            text = f"texts: found {len(texts):,}, expected at most {most:,}. Fix: send fewer."
            raise HTTPException(413, text)
        most = self.settings.max_characters
        parts = [part for text in texts for part in ([text] if isinstance(text, str) else text)]
        longest = max(map(len, parts), default=0)
        if longest > most:
            raise HTTPException(
                413,
                f"A text of {longest:,} characters: expected at most {most:,}. Fix: divide it.",
            )

    def _check_pairs(self, name: str) -> None:
        if not self.pipelines[name].predicts.pair_labels:
            raise HTTPException(
                404,
                f"The pipeline {name} has no classifier of pairs. Fix: serve one that was trained "
                "on pairs of texts.",
            )
