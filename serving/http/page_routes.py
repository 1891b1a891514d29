"""Routes without inference: the page, the model and its card, and the metrics."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ActiveModel
from assay.serving.http.context import Context, Json
from assay.serving.page import load_page

# The pipeline builds the card from texts of the data: it may be displayed, and may not run scripts.
_CARD_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def routes(context: Context) -> list[Route]:
    """Return the routes of the pages."""

    async def show_page(request: Request) -> Response:
        page = load_page()
        return HTMLResponse(page.html, headers=page.headers)

    async def show_model(request: Request) -> Response:
        return Json(describe(context, context.models.find(request.query_params.get("model"))))

    async def show_card(request: Request) -> Response:
        html = context.requested_model(request).card
        if html is None:
            raise errors.Refusal(404, "this model has no card", "not_found")
        return HTMLResponse(html, headers={"Content-Security-Policy": _CARD_POLICY})

    async def show_metrics(request: Request) -> Response:
        return Response(context.metrics.render(), media_type=_PROMETHEUS)

    return [
        Route("/", show_page),
        Route("/model", show_model),
        Route("/card", show_card),
        Route("/metrics", show_metrics),
    ]


def describe(context: Context, active_model: ActiveModel) -> dict[str, Any]:
    """Return an active model, its metrics on test rows, and the newer version that was refused, if any."""
    model = active_model.model
    manifest = model.engine.manifest
    return {
        **model.identity(),
        "alias": model.origin.alias,
        "labels": manifest.labels,
        "row_labels": manifest.row_labels,
        "entity_types": manifest.entity_types,
        "pair": manifest.pair,
        "precision": model.engine.precision,
        "decisions": {
            head: decision.model_dump(include={"promise", "threshold", "by_class"})
            for head, decision in model.engine.decisions.items()
        },
        "max_length": manifest.max_length,
        "metrics": dict(model.metrics),
        "examples": [{"text": row.text, "text_pair": row.text_pair} for row in manifest.golden],
        "degraded": active_model.degraded,
        "refused": active_model.refused,
        "models": [active.model.name for active in context.models],
    }
