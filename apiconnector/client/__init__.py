"""The HTTP session of a connection. It is handed where it may send and how to authenticate."""

from apiconnector.client.exchange import token_sender
from apiconnector.client.pool import Wire, shared_adapter
from apiconnector.client.session import ApiSession
from apiconnector.client.urls import Destinations, Origin, validate_base_url

__all__ = [
    "ApiSession",
    "Destinations",
    "Origin",
    "Wire",
    "shared_adapter",
    "token_sender",
    "validate_base_url",
]
