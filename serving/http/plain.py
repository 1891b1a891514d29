"""A plain request that came whole, read without a parser: while most are refused, reading them costs the most."""

import re

_HEAD = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)\r\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,9})[ \t]*\r$", re.MULTILINE)
# What says more about the body, the connection or the deadline than this reader knows.
_NEEDS_PARSER = re.compile(rb"^(?:transfer-encoding|connection|upgrade|expect|x-deadline-ms):", re.MULTILINE)


def path_of_plain_post(data: bytes) -> bytes | None:
    """The path of a POST that `data` holds whole and alone.

    None where anything is unusual: another method, part of a request, more than one, headers that change how the rest
    is to be read, a length that is missing, said twice, or not that of the body. Then a parser has to look.
    """
    found = _HEAD.match(data)
    if found is None:
        return None
    path, headers = found[1], found[2].lower()
    length = _LENGTH.search(headers)
    # A second length may be written in a way that the pattern does not know.
    if length is None or headers.count(b"content-length") > 1 or _NEEDS_PARSER.search(headers):
        return None
    return path if int(length[1]) == len(data) - found.end() else None
