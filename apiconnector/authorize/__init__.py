"""The dance: begin an attempt, take the callback, exchange the code; confirm another site's token; disconnect again.

And what comes before it: discovery.
"""

from apiconnector.authorize.begin import Begun, begin, callback_uri
from apiconnector.authorize.confirm import confirm_site
from apiconnector.authorize.disconnect import disconnect
from apiconnector.authorize.discovery import Found, discover
from apiconnector.authorize.paste import Pasted, paste
from apiconnector.authorize.store import discard_held, use_held

__all__ = [
    "Begun",
    "Found",
    "Pasted",
    "begin",
    "callback_uri",
    "confirm_site",
    "discard_held",
    "disconnect",
    "discover",
    "paste",
    "use_held",
]
