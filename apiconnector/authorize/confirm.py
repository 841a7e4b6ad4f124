"""Confirm that a token is used on this site from now on, though it was authorized for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import router, transaction

from apiconnector.models import ConnectionEvent, Token, site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models import Connection


def confirm_site(
    connection: Connection, redirect_uri: str, *, actor: AbstractBaseUser | AnonymousUser | None = None
) -> str:
    """Make a token this site's own, the site being that of ``redirect_uri``; what happened, in words.

    One conditional UPDATE: a token that was authorized anew meanwhile stays as it is. A refresh that is under way goes
    on, for neither its lease nor the generation is touched. Repeating it is harmless.
    """
    token = Token.objects.filter(connection=connection).first()
    if token is None:
        return f"“{connection}” holds no token."
    if not site.is_other(token.site):
        return f"The token of “{connection}” belongs to no other site."
    here = site.origin(redirect_uri)
    with transaction.atomic(using=router.db_for_write(Token)):
        if not Token.objects.filter(pk=token.pk, site=token.site).update(site=here):
            return f"The token of “{connection}” was replaced in the meantime. Nothing was changed."
        message = f"The token of the site {token.site} is used and refreshed on {here or 'this site'} from now on."
        ConnectionEvent.record(connection, ConnectionEvent.Kind.EDITED, f"Confirmed: {message}", actor)
    connection._state.fields_cache.pop("token", None)
    return f"“{connection}”: {message}"
