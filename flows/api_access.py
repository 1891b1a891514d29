"""Access checks of the HTTP API: the token, and the type and size of a body."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.http.access import is_loopback
from assay.serving.http.server_settings import SHORTEST_TOKEN

TOKEN_VARIABLE = "ASSAY_API_TOKEN"  # noqa: S105  # the name of a variable
LARGEST_BODY = 64 * 1024


def check_token(token: str | None, host: str, *, no_token: bool) -> str | None:
    """Return the token that clients must send; None if none is needed.

    Args:
        token: token of the environment.
        host: address to listen on.
        no_token: whether the user asked for no token.

    Raises:
        AssayError: everyone who can reach the address could start trainings.
    """
    if no_token:
        if not is_loopback(host):
            raise AssayError(
                f"--no-token with --host {host}: other machines can reach this address; set {TOKEN_VARIABLE} instead"
            )
        return None
    if len(token or "") < SHORTEST_TOKEN:
        raise AssayError(
            f"{TOKEN_VARIABLE} has {len(token or '')} characters, but needs at least {SHORTEST_TOKEN}; "
            "export a longer secret, or use --no-token on a loopback address"
        )
    return token


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: 413 if it is too large, 415 if it is not JSON.
    """
    # Browsers send a preflight request before this type goes to another site, so that no web page can start a run.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send the header Content-Type: application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
    return body
