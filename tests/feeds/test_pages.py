"""What the answers brought, in the page that the visitor sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.generic import FormView

from apiconnector.forms import FeedFormMixin
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Connection
    from tests.client.servers import ApiServer


class Form(forms.Form):
    email = forms.CharField()


class Quote(FeedFormMixin, FormView):  # type: ignore[type-arg]  # Django's has no parameters when it runs
    form_class = Form
    success_url = "/thanks"
    trigger = "contact"

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        return HttpResponse(" ".join(str(run.values.get("price", "later")) for run in self.feed_runs))


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def page(
    api: ApiServer, make_connection: Callable[..., Connection], make_feed: Callable[..., Any]
) -> Callable[[], str]:
    make_feed(
        make_connection(base_url=api.url, auth_method="bearer", api_key="k"), response_values={"price": "body.price"}
    )

    def page() -> str:
        answer: Any = Quote.as_view()(RequestFactory().post("/", {"email": "a"}))
        return str(answer.content.decode())

    return page


@pytest.mark.django_db(transaction=True)
def test_the_view_has_the_values(page: Callable[[], str], api: ApiServer) -> None:
    api.answer = lambda _: Reply(200, {}, b'{"price": 12.5}')
    assert page() == "12.5"


@pytest.mark.django_db(transaction=True)
def test_there_are_none_where_the_api_is_down(page: Callable[[], str], api: ApiServer) -> None:
    api.answer = lambda _: Reply(429)
    assert page() == "later"


@pytest.mark.django_db
def test_there_are_none_before_the_commit(page: Callable[[], str], api: ApiServer) -> None:
    """With ATOMIC_REQUESTS nothing is sent before the page is made."""
    assert page() == "later"
    assert api.received == []


def test_a_view_that_submitted_nothing_has_none() -> None:
    assert list(Quote().feed_runs) == []
