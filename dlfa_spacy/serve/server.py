"""A server on this machine, until it is stopped."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence

from .served import ServedPipeline
from .settings import ServeSettings

# Requests in flight have so many seconds when it is stopped.
_GRACE = 30
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    pipelines: Sequence[ServedPipeline],
    settings: ServeSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    open_page: bool = False,
    on_ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; those in flight are answered first.

    Nothing of a request is logged.

    pipelines (Sequence[ServedPipeline]): What answers.
    settings (ServeSettings): Limits and batches.
    host, port (str, int): Where; port 0 for any that is free.
    open_page (bool): Show the page in a browser.
    on_ready (Callable[[str], None]): Told the page's address.
    RAISES (ValueError): The address cannot be had.
    """
    import uvicorn

    from .app import create_app

    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            create_app(pipelines, settings),
            access_log=False,
            log_level="error",
            # Anyone could write into the header that it would read.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        on_ready(address)
        if open_page:
            # One that runs in a terminal comes back only when it is closed.
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=256)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"--host {host} --port {port}: found an address that cannot be had ({error}), expected "
            "one of this machine that is free. Fix: --port 0, for any port."
        ) from error
