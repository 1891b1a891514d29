"""What is read and not computed: the page, the card, what is known of the model, the metrics."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from assay.serving.http import error_responses as errors
from assay.serving.http.context import Context, Json
from assay.serving.page import load_page

# A card is made by the pipeline from texts of the data: it may show itself, and do nothing.
_CARD_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def routes(context: Context) -> list[Route]:
    """The routes of the pages."""

    async def page(request: Request) -> Response:
        found = load_page()
        return HTMLResponse(found.html, headers=found.headers)

    async def model(request: Request) -> Response:
        return Json(describe(context))

    async def card(request: Request) -> Response:
        html = context.active_model.model.card
        if html is None:
            raise errors.Refusal(404, "this model has no card", "not_found")
        return HTMLResponse(html, headers={"Content-Security-Policy": _CARD_POLICY})

    async def metrics(request: Request) -> Response:
        return Response(context.metrics.render(), media_type=_PROMETHEUS)

    return [Route("/", page), Route("/model", model), Route("/card", card), Route("/metrics", metrics)]


def describe(context: Context) -> dict[str, Any]:
    """The model that answers, the figures it was let in with, and whether a newer one was refused."""
    active_model, model = context.active_model, context.active_model.model
    manifest = model.engine.manifest
    return {
        **model.identity(),
        "alias": model.origin.alias,
        "labels": manifest.labels,
        "entity_types": sorted({tag.partition("-")[2] for tag in manifest.tags} - {""}),
        "pair": manifest.pair,
        "precision": manifest.precision,
        "max_length": manifest.max_length,
        "figures": dict(model.metrics),
        "examples": [{"text": row.text, "text_pair": row.text_pair} for row in manifest.golden],
        "degraded": active_model.degraded,
        "refused": active_model.refused,
    }
