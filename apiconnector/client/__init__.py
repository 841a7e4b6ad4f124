"""The HTTP session of a connection. It is handed where it may send and how to authenticate."""

from apiconnector.client.adapter import shared_adapter
from apiconnector.client.exchange import bounded, token_sender
from apiconnector.client.reading import MAX_BODY
from apiconnector.client.session import ApiSession
from apiconnector.client.urls import Destinations, Origin, validate_base_url
from apiconnector.client.wire import Wire

__all__ = [
    "MAX_BODY",
    "ApiSession",
    "Destinations",
    "Origin",
    "Wire",
    "bounded",
    "shared_adapter",
    "token_sender",
    "validate_base_url",
]
