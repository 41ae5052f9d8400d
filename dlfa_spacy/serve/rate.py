"""How many texts a client may send: a bucket of tokens for each."""

from __future__ import annotations

import time
from collections import OrderedDict

# So many clients are remembered; the one that was not heard of for longest is forgotten first.
_CLIENTS = 10_000


class RateLimit:
    """A bucket for each client that holds the texts of a minute, and is filled again steadily.

    rate (int): Texts in a minute; 0 for no limit.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        # What is left of a client's bucket, and when that was.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, texts: int, now: float | None = None) -> float:
        """Take texts out of a client's bucket, if it holds so many.

        client (str): Its address.
        texts (int): How many it sends.
        now (Optional[float]): Seconds of a monotonic clock.
        RETURNS (float): 0.0; or in how many seconds it will hold them, and nothing was taken. More
            texts than the bucket ever holds take a full one.
        """
        if not self.rate:
            return 0.0
        now = time.monotonic() if now is None else now
        left, before = self._buckets.pop(client, (float(self.rate), now))
        left = min(float(self.rate), left + (now - before) * self.rate / 60)
        missing = min(texts, self.rate) - left
        if missing <= 0:
            left -= min(texts, self.rate)
        self._buckets[client] = (left, now)
        while len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return max(missing, 0.0) * 60 / self.rate
