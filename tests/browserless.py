"""What a browser sends of a page of the admin: every field as the page shows it, but for what a person changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from apiconnector.admin.secret_inputs import SecretInput

if TYPE_CHECKING:
    from apiconnector.models import Connection

#: May do everything with connections but enter secrets.
ALL_BUT_SECRETS = ("add_connection", "change_connection", "authorize_connection", "test_connection")


def clerk(*codenames: str) -> Client:
    """The browser of somebody with these permissions."""
    person = User.objects.create_user(f"clerk{User.objects.count()}", password="x", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(person)
    return client


def change_url(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_change", args=[connection.pk])


def press(client: Client, connection: Connection, act: str) -> Any:
    return client.post(reverse(f"admin:apiconnector_connection_{act}", args=[connection.pk]), follow=True)


def shown(client: Client, connection: Connection) -> dict[str, Any]:
    """What the change page would send if nothing was touched. Its form says that before it is made a page of."""
    url = change_url(connection)
    request = RequestFactory().get(url)
    request.session = client.session
    request.user = get_user(request)
    view = resolve(url)
    form = view.func(request, *view.args, **view.kwargs).context_data["adminform"].form
    values = {}
    for name, field in form.fields.items():
        value = field.prepare_value(form.get_initial_for_field(field, name))
        if isinstance(field.widget, SecretInput) or value in (None, False):
            continue
        values[name] = "on" if value is True else value
    return values


def submit(client: Client, connection: Connection, **changes: Any) -> Any:
    """Open the change page, change this and press Save; the page that follows."""
    return client.post(change_url(connection), {**shown(client, connection), **changes}, follow=True)
