"""Numbers for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "arena_preference_requests", "Answered requests.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "arena_preference_request_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._pairs = Counter("arena_preference_pairs", "Scored pairs.", registry=self._registry)
        self._batches = Histogram(
            "arena_preference_batch_requests",
            "Requests that one call of the model scored.",
            buckets=_SIZES,
            registry=self._registry,
        )
        self.queue_length = Gauge("arena_preference_queue_length", "Requests that wait.", registry=self._registry)
        self.bad_lines = Counter(
            "arena_preference_bad_lines",
            "Lines of /v1/score that were answered with an error.",
            registry=self._registry,
        )

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_batch(self, n_requests: int, n_pairs: int) -> None:
        """Count a call of the model."""
        self._batches.observe(n_requests)
        self._pairs.inc(n_pairs)

    def to_text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self._registry)
