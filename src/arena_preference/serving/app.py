"""The application: endpoints, page and documentation."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from arena_preference import __version__
from arena_preference.judge import Preference, Ranking

from . import bodies
from .errors import RequestError, answer_http_error, answer_invalid
from .gate import SCORE, Gate
from .prometheus import Metrics
from .score_stream import ScoreStream
from .scorer import Job, compare_pairs, explain_pairs, rank_alone, rank_in_batch, reward_completions
from .service import Service
from .settings import ServiceSettings

if TYPE_CHECKING:
    from arena_preference.judge import Judge

_PAGE_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/docs": ("docs.html", "text/html"),
    "/docs.js": ("docs.js", "text/javascript"),
}
_STATUSES: Final = {
    413: "A text or the body is too long",
    422: "A field is missing or invalid",
    429: "The queue is full",
    503: "The model is not ready",
    504: "Not scored in time",
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": bodies.ErrorReply, "description": text} for status, text in _STATUSES.items()
}

router = APIRouter()


def create_app(judge: "Judge | Callable[[], Judge]", settings: ServiceSettings | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        judge: A judge, or a function that loads one; it is called in a thread when the application starts.
        settings: Access and limits.
    """
    settings = settings or ServiceSettings()
    metrics = Metrics()
    service = Service(judge, settings, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()

    # FastAPI's own pages of documentation load scripts of another site.
    app = FastAPI(title="Arena Preference", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(StarletteHTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_middleware(Gate, settings=settings, metrics=metrics)
    for path, (name, media_type) in _PAGE_FILES.items():
        content = (files(__package__) / "page" / name).read_bytes()
        app.add_api_route(path, _make_file_route(content, media_type), include_in_schema=False)
    return app


def _make_file_route(content: bytes, media_type: str) -> Callable[[], Response]:
    return lambda: Response(content, media_type=media_type)


async def _get_service(request: Request) -> Service:
    # FastAPI calls plain functions in threads, where each request would wait for the interpreter's lock twice more.
    return request.app.state.service


_Service = Annotated[Service, Depends(_get_service)]


@router.post("/v1/compare", responses=_ERRORS, response_model_exclude_none=True)
async def compare(body: bodies.CompareRequest, request: Request, service: _Service) -> bodies.CompareReply:
    """Probabilities that a person prefers response a, prefers response b, or calls it a tie."""
    service.check(body.prompt, a=body.a, b=body.b)
    pairs = [(body.prompt, body.a, body.b)]
    jobs = [Job(compare_pairs, pairs, 1)]
    if body.explain:
        jobs.append(Job(explain_pairs, pairs, 0, alone=True))
    (probabilities,), *reasons = await service.run(request, *jobs)
    # Its reasons are those of the other job.
    preference = Preference(*probabilities, list)
    why = [bodies.ReasonReply(**vars(reason)) for reason in reasons[0][0]] if reasons else None
    return bodies.CompareReply(**preference.to_dict(), winner=preference.winner, why=why)


@router.post("/v1/rank", responses=_ERRORS)
async def rank(body: bodies.RankRequest, request: Request, service: _Service) -> bodies.RankReply:
    """Order of several responses to a prompt, by the mean probability to win against the others."""
    ranking = await _rank(body.prompt, body.responses, body.context, "responses", request, service)
    return bodies.RankReply(**ranking.to_dict())


async def _rank(
    prompt: Any, responses: list[Any], context: bodies.Context, field: str, request: Request, service: Service
) -> Ranking:
    n_pairs = len(responses) * (len(responses) - 1) // 2
    service.check_pairs(n_pairs, field)
    service.check(prompt, **{f"{field}[{index}]": response for index, response in enumerate(responses)})
    score = rank_in_batch if context == "batch" else rank_alone
    ((ranking,),) = await service.run(request, Job(score, [(prompt, responses)], n_pairs))
    return ranking


@router.post(
    SCORE,
    responses={200: {"content": {ScoreStream.media_type: {}}}, 503: _ERRORS[503]},
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": {ScoreStream.media_type: {"schema": {}}}}},
)
async def score(service: _Service, context: Annotated[bodies.Context, Query()] = "none") -> Response:
    """Probabilities of battles, one JSON line each, in any format that ingestion reads.

    The answer has a line {"id", "a", "b", "tie"} for each line of the body in its order, and {"line", "error"} for a
    line that cannot be used. With context=batch, battles of the same prompt among 256 lines are compared with each
    other.
    """
    service.get_judge()
    return ScoreStream(service, context)


@router.post("/rerank", responses=_ERRORS)
@router.post("/v1/rerank", include_in_schema=False)
@router.post("/v2/rerank", include_in_schema=False)
async def rerank(body: bodies.RerankRequest, request: Request, service: _Service) -> JSONResponse:
    """Order of texts as responses to a query, for clients of text-embeddings-inference or Cohere.

    With texts: a list of {"index", "score"}. With documents: {"results": [{"index", "relevance_score"}]}. A score is
    the mean probability to win against the other texts; it is 0.5 for a single text.
    """
    field = "documents" if body.texts is None else "texts"
    ranking = await _rank(body.query, body.candidates, "batch", field, request, service)
    scores = ranking.win_probabilities.tolist()
    if body.texts is not None:
        text = {index: {"text": body.candidates[index]} if body.return_text else {} for index in ranking.order}
        return JSONResponse([{"index": index, "score": scores[index], **text[index]} for index in ranking.order])
    results: list[dict[str, Any]] = [{"index": index, "relevance_score": scores[index]} for index in ranking.order]
    if body.return_documents:
        results = [{**result, "document": {"text": body.candidates[result["index"]]}} for result in results]
    return JSONResponse({"results": results[: body.top_n]})


@router.post("/reward", responses=_ERRORS)
async def reward(body: bodies.RewardRequest, request: Request, service: _Service) -> bodies.RewardReply:
    """Rewards of completions, for OpenRLHF's remote reward model.

    A query is its prompt and a completion. Completions of the same prompt are compared with each other, and with the
    label as a further response where there is one. A prompt with one completion and no label has nothing to be
    compared with: 422.
    """
    labels = [label or None for label in body.labels or [None] * len(body.query)]
    for name, values in (("prompts", body.prompts), ("labels", labels)):
        if len(values) != len(body.query):
            raise RequestError(422, f"{name}: {len(values)} for {len(body.query)} queries", name)
    n_completions = Counter(zip(body.prompts, labels, strict=True))
    completions = []
    for index, (query, prompt, label) in enumerate(zip(body.query, body.prompts, labels, strict=True)):
        of_query, of_label = f"query[{index}]", f"labels[{index}]"
        if not query.startswith(prompt):
            raise RequestError(422, f"{of_query} does not begin with prompts[{index}]", of_query)
        if n_completions[prompt, label] == 1 and label is None:
            raise RequestError(422, f"{of_label}: the only completion of its prompt needs a reference", of_label)
        completions.append(query[len(prompt) :])
        service.check(prompt, **{of_query: completions[-1], of_label: label or ""})
    n_responses = (n + (label is not None) for (_, label), n in n_completions.items())
    n_pairs = sum(n * (n - 1) // 2 for n in n_responses)
    service.check_pairs(n_pairs, "query")
    job = Job(reward_completions, [(body.prompts, completions, labels)], n_pairs, alone=True)
    ((rewards,),) = await service.run(request, job)
    return bodies.RewardReply(rewards=rewards, scores=rewards, extra_logs={"win_probability": rewards})


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process lives."""
    return {"status": "ok"}


@router.get("/ready", responses={503: _ERRORS[503]})
async def ready(service: _Service) -> dict[str, str]:
    """Whether the model is loaded."""
    service.get_judge()
    return {"status": "ready"}


@router.get("/model", responses={503: _ERRORS[503]})
async def model(service: _Service) -> bodies.ModelReply:
    """The run that trained the model: its metrics, and the SHA-256 of what it wrote."""
    manifest = service.get_judge().manifest
    return bodies.ModelReply(
        version=__version__,
        run_id=manifest.run_id,
        name=manifest.name,
        started=manifest.started.isoformat(),
        metrics=manifest.metrics,
        sha256={name: stored.sha256 for name, stored in sorted(manifest.written.items()) if stored.sha256},
        packages=manifest.packages,
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: _Service) -> Response:
    """Numbers for Prometheus."""
    return Response(service.metrics.to_text(), media_type="text/plain; version=0.0.4")
