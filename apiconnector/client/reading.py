"""Read the body of a response up to a bound: an answer of any length must not fill the memory of who asked."""

from __future__ import annotations

from typing import Any, Final

from apiconnector.client.whole import body_at_hand

#: Bytes of an answer that are read where nobody waits for more, after decompression.
MAX_BODY: Final = 10_000_000
# Small, because compressed data may unpack to a thousand times its length.
_CHUNK: Final = 65_536


def read(response: Any, most: int) -> None:
    """Read the body of a response that is not read yet; ``content`` has it afterwards.

    Where it is longer than ``most`` bytes, the rest is left and the connection closed; ``content`` is then a little
    longer than that. Raises what ``content`` would.
    """
    if response._content is not False or response.raw is None:  # noqa: SLF001 - requests says it in no other way
        return  # a transport of the site's has read it
    body = body_at_hand(response.raw)
    response._content = _bounded(response, most) if body is None else body  # noqa: SLF001 - as above
    response._content_consumed = True  # noqa: SLF001 - as above


def _bounded(response: Any, most: int) -> bytes:
    chunks, size = [], 0
    for chunk in response.iter_content(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            response.close()
            break
    return b"".join(chunks)
