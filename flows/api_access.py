"""Access checks of the HTTP API: the token, and the type and size of a body."""

from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.http import request_body
from assay.serving.http.access import is_loopback
from assay.serving.http.server_settings import MIN_TOKEN_LENGTH, Limits

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
    if len(token or "") < MIN_TOKEN_LENGTH:
        raise AssayError(
            f"{TOKEN_VARIABLE} has {len(token or '')} characters, but needs at least {MIN_TOKEN_LENGTH}; "
            "export a longer secret, or use --no-token on a loopback address"
        )
    return token


async def read_body(request: Request) -> bytes:
    """Return the body, if it is JSON and not too large.

    Raises:
        Refusal: 408, 413 or 415.
    """
    # Browsers send a preflight request before they send JSON to another site, so that no page can start a run.
    return await request_body.read_body(request, Limits(body=LARGEST_BODY), ("application/json",))
