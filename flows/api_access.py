"""Who is let in over HTTP, and how much they may send."""

from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.http import request_body
from assay.serving.http.access import is_loopback
from assay.serving.http.server_settings import SHORTEST_TOKEN, Limits

TOKEN_VARIABLE = "ASSAY_API_TOKEN"  # noqa: S105  # the name of a variable
LARGEST_BODY = 64 * 1024


def check_token(token: str | None, host: str, *, no_token: bool) -> str | None:
    """The token to guard the application with; None where it needs none.

    Args:
        token: of the environment.
        host: address to listen on.
        no_token: the caller does without on purpose.

    Raises:
        AssayError: whoever reaches the address could start trainings.
    """
    if no_token:
        if not is_loopback(host):
            raise AssayError(f"--no-token with --host {host}: others reach that address; set {TOKEN_VARIABLE} instead")
        return None
    if len(token or "") < SHORTEST_TOKEN:
        raise AssayError(
            f"{TOKEN_VARIABLE} holds {len(token or '')} characters, and {SHORTEST_TOKEN} are the least; "
            "export a secret, or use --no-token on a loopback address"
        )
    return token


async def read_body(request: Request) -> bytes:
    """Return the body, if it is JSON and not too large.

    Raises:
        Refusal: 408, 413 or 415.
    """
    # Browsers send a preflight request before they send JSON to another site, so that no page can start a run.
    return await request_body.read_body(request, Limits(body=LARGEST_BODY), require_json=True)
