"""Merge what a connection adds to every request under what the caller gave: the caller's wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def with_default_params(defaults: Mapping[str, Any], url: str, params: Any) -> Any:
    """``params`` (anything requests takes) with the ``defaults`` that neither it nor the ``url`` names."""
    if isinstance(params, bytes):
        params = _as_text(params)
    if not defaults:
        return params
    taken = _names(urlsplit(url).query)
    if isinstance(params, Mapping):
        return _under_mapping(_others(defaults, taken), params)
    if isinstance(params, str):
        added = urlencode(_others(defaults, taken | _names(params)), doseq=True)
        return "&".join(part for part in (added, params) if part)
    return _under_pairs(_others(defaults, taken), params or ())


def with_default_body(defaults: Mapping[str, Any], method: str, data: Any, files: Any, json: Any) -> tuple[Any, Any]:
    """``data`` and ``json`` with the fields of ``defaults`` under them.

    A JSON object, a form and a multipart form get them; so does a POST, PUT or PATCH without any body, as
    JSON. Any other body is left as it is, and a GET, HEAD or DELETE without one stays without.
    """
    if not defaults:
        return data, json
    if data or files:
        return _under_form(defaults, data), json
    if isinstance(json, Mapping) or (json is None and method in _WITH_BODY):
        return data, {**defaults, **(json or {})}
    return data, json


def _under_form(defaults: Mapping[str, Any], data: Any) -> Any:
    if not data or isinstance(data, Mapping):
        return _under_mapping(defaults, data or {})
    return _under_pairs(defaults, data) if isinstance(data, list | tuple) else data


def _under_mapping(defaults: Mapping[str, Any], given: Mapping[Any, Any]) -> dict[Any, Any]:
    # A name given as bytes or as a number is another key, and the same name when sent.
    return {**_others(defaults, _given(given).difference(given)), **given}


def _under_pairs(defaults: Mapping[str, Any], pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    pairs = list(pairs)
    return [*_others(defaults, _given(name for name, _ in pairs)).items(), *pairs]


def _given(names: Iterable[Any]) -> set[str]:
    return {_as_text(name) if isinstance(name, bytes) else str(name) for name in names}


def _as_text(encoded: bytes) -> str:
    """Text that is sent as the same bytes: percent-encoded where it is not ASCII."""
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in encoded)


def _names(query: str) -> set[str]:
    return {name for name, _ in parse_qsl(query, keep_blank_values=True)}


def _others(defaults: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    return {name: value for name, value in defaults.items() if name not in taken}
