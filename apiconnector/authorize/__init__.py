"""The dance: begin an attempt, take the callback, exchange the code, and disconnect again."""

from apiconnector.authorize.begin import Begun, begin, callback_uri
from apiconnector.authorize.disconnect import disconnect

__all__ = ["Begun", "begin", "callback_uri", "disconnect"]
