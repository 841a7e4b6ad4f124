"""All pages of a list that an API gives in parts: item by item, page by page, or collected up to a limit.

::

    with connect("hubspot") as api:
        way = Cursor("after", next="body.paging.next.after")
        for contact in paginate(api, "crm/v3/objects/contacts", way, items="body.results"):
            ...

How an API pages is said by ``Cursor``, ``PageNumber``, ``Offset``, ``LinkHeader`` or ``NextAddress``. Only GET is sent,
through the session of ``connect()``, which goes nowhere else.
"""

from apiconnector.pagination.following import Collected, Page, collect, pages, paginate
from apiconnector.pagination.ways import Cursor, LinkHeader, NextAddress, Offset, PageNumber, Way

__all__ = [
    "Collected",
    "Cursor",
    "LinkHeader",
    "NextAddress",
    "Offset",
    "Page",
    "PageNumber",
    "Way",
    "collect",
    "pages",
    "paginate",
]
