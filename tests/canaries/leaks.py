"""Find a canary in a text, in whatever form: it consists of letters and digits, so only Base64 hides it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter

#: In every canary, and put together here so that the source lines of a traceback do not hold it.
STEM = "c4n4" + "ry"
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{12,}")

#: Per surface: how many texts were searched, and how many characters.
searched: Counter[str] = Counter()
characters: Counter[str] = Counter()


def canary(name: str) -> str:
    """A secret that can be found again, and has characters that are encoded in each form."""
    return f"{STEM}{name}/+=&%\"'\\z~.{STEM}"


def leaks(text: str) -> list[str]:
    """Where a canary stands, with what is around it."""
    found = [text[max(match.start() - 60, 0) : match.end() + 30] for match in re.finditer(STEM, text, re.IGNORECASE)]
    for match in _ENCODED.finditer(text):
        token = match[0].replace("-", "+").replace("_", "/")
        for start in range(4):
            piece = token[start:]
            decoded = b64decode(piece[: len(piece) // 4 * 4])
            if STEM.encode() in decoded:
                found.append(f"Base64: {text[max(match.start() - 40, 0) : match.end()][:160]}")
                break
    return found


def assert_clean(surface: str, text: str) -> None:
    """Count a text of a surface, and fail where it holds a canary."""
    searched[surface] += 1
    characters[surface] += len(text)
    found = leaks(text)
    assert not found, f"{surface}: {found[:3]}"
