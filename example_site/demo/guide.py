"""What ``manage.py demo`` tells the person at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from example_site.demo.place import Place

_TEXT = """
Both servers are running.

  Example site   {site}/          a contact form
                 {site}/admin/    user admin, password admin
  CRM            {crm}/          user crm, password crm

What to click:

  1. Open {site}/admin/apiconnector/connection/ , log in (admin, admin) and open “Demo CRM”.
  2. Press Authorize. You are at the CRM now: sign in (crm, crm) and press Allow.
     You land on the site again, and the connection is authorized. Press Test, if you like.
  3. Open {site}/ and send the contact form.
  4. Open {crm}/ : there is the lead.
     {site}/admin/apiconnector/feedrun/ shows what was sent and answered.
  5. Wait for {seconds} seconds, until the token has expired, and send the form again. The CRM's
     page lists one more token request, “refresh_token”, and the new lead.
  6. Press Disconnect on the connection's page and send the form once more: nothing reaches the CRM, the
     run waits. Authorize again, and it is sent.

Everything is kept in {home} ; --reset starts afresh. Ctrl-C ends both servers.
"""


def guide(place: Place) -> str:
    """URLs, names, passwords, and what to click."""
    return _TEXT.format(site=place.site, crm=place.crm, seconds=place.token_seconds, home=place.home)
