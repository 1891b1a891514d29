import pytest

from assay.corpus.errors import AssayError
from assay.flows.api_access import check_token

TOKEN = "0123456789abcdef"


def test_check_token_guards_every_address() -> None:
    assert check_token(TOKEN, "0.0.0.0", no_token=False) == TOKEN  # noqa: S104  # the point of the test


@pytest.mark.parametrize("token", [None, "", "short"])
def test_check_token_refuses_a_short_token(token: str | None) -> None:
    with pytest.raises(AssayError, match=r"ASSAY_API_TOKEN has . characters, but needs at least 16"):
        check_token(token, "127.0.0.1", no_token=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_check_token_allows_no_token_on_loopback(host: str) -> None:
    assert check_token(None, host, no_token=True) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "assay.example.org", "::"])  # noqa: S104
def test_check_token_requires_a_token_beyond_loopback(host: str) -> None:
    with pytest.raises(AssayError, match="other machines can reach this address"):
        check_token(TOKEN, host, no_token=True)
