"""Who is let in over HTTP, and how much they may send."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.http.access import is_loopback
from assay.serving.http.server_settings import SHORTEST_TOKEN

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
    """The body, if it is JSON and not too large.

    Raises:
        HTTPException: 413 or 415.
    """
    # Browsers ask before they send this type to another site, so no page can start a run behind one's back.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send the header Content-Type: application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
    return body
