"""Counters of the server in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Telemetry:
    """Counts answers by route and status, and how long they took. Used from the event loop only: no
    locks.
    """

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(BUCKETS))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def record(self, route: str, status: int, seconds: float) -> None:
        self._answers[route, status] += 1
        self._seconds[route] += seconds
        for index, bound in enumerate(BUCKETS):
            self._buckets[route][index] += seconds <= bound

    def exposition(self, places_taken: int, uploaded: int) -> str:
        return "\n".join((*self._lines(places_taken, uploaded), ""))

    def _lines(self, places_taken: int, uploaded: int) -> Iterable[str]:
        yield "# HELP undim_requests_total Answered requests."
        yield "# TYPE undim_requests_total counter"
        for (route, status), count in sorted(self._answers.items()):
            yield f'undim_requests_total{{route="{route}",status="{status}"}} {count}'
        yield "# HELP undim_request_seconds Time from a request's headers to the end of its answer."
        yield "# TYPE undim_request_seconds histogram"
        for route, counts in sorted(self._buckets.items()):
            total = sum(count for (name, _), count in self._answers.items() if name == route)
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), (*counts, total), strict=True):
                yield f'undim_request_seconds_bucket{{route="{route}",le="{bound}"}} {count}'
            yield f'undim_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}'
            yield f'undim_request_seconds_count{{route="{route}"}} {total}'
        yield "# HELP undim_places_taken Pictures that wait or are worked on."
        yield "# TYPE undim_places_taken gauge"
        yield f"undim_places_taken {places_taken}"
        yield "# HELP undim_upload_bytes Bytes of uploads in memory, whole or on their way."
        yield "# TYPE undim_upload_bytes gauge"
        yield f"undim_upload_bytes {uploaded}"
