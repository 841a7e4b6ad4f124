"""Form handlers: what the mixin and the decorator submit, keep together, and keep from the visitor."""

from __future__ import annotations

import functools
import logging
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import CreateView, FormView, UpdateView

from apiconnector.forms import FeedFormMixin, FeedRequest, submits_to
from apiconnector.models import Feed, FeedRun
from apiconnector.testing import FakeApi, delivered, fake_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client
    from django.views import View

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.urls(__name__)


class PlainForm(forms.Form):
    email = forms.EmailField()
    count = forms.IntegerField(required=False)


class GroupForm(forms.ModelForm):  # type: ignore[type-arg]  # ModelForm[Group] fails at run time
    class Meta:
        model = Group
        fields = ("name",)


class OddForm(forms.Form):
    """What no feed keeps."""

    group = forms.ModelChoiceField(Group.objects.all(), required=False)
    groups = forms.ModelMultipleChoiceField(Group.objects.all(), required=False)
    cv = forms.FileField(required=False)

    def clean(self) -> dict[str, Any]:
        # One at a time: a ModelMultipleChoiceField is a queryset also where nothing was chosen.
        return {name: value for name, value in self.cleaned_data.items() if name in {*self.data, *self.files}}


class Plain(FeedFormMixin, FormView):  # type: ignore[type-arg]  # FormView[PlainForm] fails at run time
    form_class = PlainForm
    success_url = "/thanks"
    trigger = "contact"


class Create(FeedFormMixin, CreateView):  # type: ignore[type-arg]  # likewise
    form_class = GroupForm
    model = Group
    success_url = "/thanks"
    trigger = "contact"

    def get_feed_data(self, form: Any) -> dict[str, Any]:
        assert self.object is not None
        return {**form.cleaned_data, "id": self.object.pk}


class Update(FeedFormMixin, UpdateView):  # type: ignore[type-arg]  # likewise
    form_class = GroupForm
    model = Group
    success_url = "/thanks"
    trigger = "contact"


class CreateAndFail(Create):
    """Fails after everything has been saved."""

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        raise RuntimeError("something else went wrong")


class SaveAndObject(CreateView):  # type: ignore[type-arg]  # likewise
    """Finds out late that the form won't do."""

    form_class = GroupForm
    model = Group
    success_url = "/thanks"

    def form_valid(self, form: Any) -> HttpResponse:
        form.add_error("name", "is taken elsewhere")
        return HttpResponse("once more")


class Objects(FeedFormMixin, SaveAndObject):
    trigger = "contact"


class Odd(FeedFormMixin, FormView):  # type: ignore[type-arg]  # likewise
    form_class = OddForm
    success_url = "/thanks"
    trigger = "contact"

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            Group.objects.create(name="saved before")
            response = super().form_valid(form)
            Group.objects.create(name="saved after")
        return response


class NoTrigger(FeedFormMixin, CreateView):  # type: ignore[type-arg]  # likewise
    form_class = GroupForm
    model = Group
    success_url = "/thanks"


@submits_to("contact")
def function(request: FeedRequest, word: str = "") -> HttpResponse:
    form = PlainForm(request.POST or None)
    if form.is_valid():
        runs = request.submit_feed(form)
        return HttpResponse(f"{word}{len(runs)}")
    return HttpResponse("once more")


@submits_to("contact")
def function_with_mapping(request: FeedRequest) -> HttpResponse:
    with transaction.atomic():
        group = Group.objects.create(name=request.POST["name"])
        request.submit_feed({"id": group.pk})
        if "fail" in request.POST:
            raise RuntimeError("something else went wrong")
    return HttpResponse()


@submits_to("contact")
def function_with_odd_form(request: FeedRequest) -> HttpResponse:
    form = OddForm(request.POST, request.FILES)
    assert form.is_valid()
    with transaction.atomic():
        runs = request.submit_feed(form)
        Group.objects.create(name="saved after")
    return HttpResponse(str(len(runs)))


@submits_to("contact")
def function_without_atomic(request: FeedRequest) -> HttpResponse:
    Group.objects.create(name=request.POST["name"])
    request.submit_feed(request.POST.dict())
    raise RuntimeError("something else went wrong")


@submits_to("contact")
def function_too_early(request: FeedRequest) -> HttpResponse:
    request.submit_feed(PlainForm(request.POST))
    return HttpResponse()


urlpatterns = [
    path("plain", Plain.as_view()),
    path("create", Create.as_view()),
    path("update/<int:pk>", Update.as_view()),
    path("create-and-fail", CreateAndFail.as_view()),
    path("objects", Objects.as_view()),
    path("odd", Odd.as_view()),
    path("no-trigger", NoTrigger.as_view()),
    path("function", function),
    path("function/<slug:word>", function),
    path("function-with-mapping", function_with_mapping),
    path("function-with-odd-form", function_with_odd_form),
    path("function-without-atomic", function_without_atomic),
    path("function-too-early", function_too_early),
]


@pytest.fixture
def crm(db: None) -> Iterator[FakeApi]:
    with fake_connection("crm") as api:
        Feed.objects.create(
            name="Lead", slug="lead", connection=api.connection, trigger="contact", path="leads",
            body_format="json", body={"all": "{{ data }}"},
        )  # fmt: skip  # in rows
        yield api


@pytest.fixture(autouse=True)
def templates(settings: Any) -> None:
    """Only what the forms say is of interest when one is shown again."""
    page = "{{ form.errors.as_text }}"
    loader = dict.fromkeys(("auth/group_form.html", "contact.html", "order.html"), page)
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", loader)]},
        }
    ]


class TestMixin:
    def test_a_form(self, crm: FakeApi, client: Client) -> None:
        with delivered() as runs:
            response = client.post("/plain", {"email": "ada@example.org", "count": "3"})
        assert (response.status_code, response["Location"]) == (302, "/thanks")
        assert [(run.status, run.input) for run in runs] == [("succeeded", {"email": "ada@example.org", "count": 3})]
        assert crm.requests[0].body == b'{"all": {"email": "ada@example.org", "count": 3}}'

    def test_a_saved_object_is_there_for_the_data(self, crm: FakeApi, client: Client) -> None:
        client.post("/create", {"name": "New"})
        group = Group.objects.get()
        assert FeedRun.objects.get().input == {"name": "New", "id": group.pk}

    def test_an_update(self, crm: FakeApi, client: Client) -> None:
        group = Group.objects.create(name="Old")
        client.post(f"/update/{group.pk}", {"name": "New"})
        assert Group.objects.get().name == "New"
        assert FeedRun.objects.get().input == {"name": "New"}

    def test_an_invalid_form_submits_nothing(self, crm: FakeApi, client: Client) -> None:
        response = client.post("/create", {"name": ""})
        assert response.status_code == 200
        assert not FeedRun.objects.exists()

    def test_a_form_that_was_refused_late_submits_nothing(self, crm: FakeApi, client: Client) -> None:
        assert client.post("/objects", {"name": "New"}).content == b"once more"
        assert not FeedRun.objects.exists()

    def test_without_a_feed_the_form_works(self, db: None, client: Client) -> None:
        assert client.post("/create", {"name": "New"}).status_code == 302
        assert Group.objects.exists()

    def test_a_missing_trigger_is_said_before_anything_is_saved(self, crm: FakeApi, client: Client) -> None:
        with pytest.raises(ImproperlyConfigured, match="NoTrigger needs a trigger"):
            client.post("/no-trigger", {"name": "New"})
        assert not Group.objects.exists()

    @pytest.mark.parametrize("view", [FormView, CreateView, UpdateView])
    def test_behind_the_view_it_would_do_nothing(self, view: type[View]) -> None:
        with pytest.raises(ImproperlyConfigured, match="before the view"):
            type("Wrong", (view, FeedFormMixin), {})

    def test_a_mixin_of_ones_own(self) -> None:
        own = type("Own", (FeedFormMixin,), {"trigger": "contact"})
        assert type("Right", (own, FormView), {}).trigger == "contact"  # type: ignore[attr-defined]  # made here


class TestDecorator:
    def test_a_form(self, crm: FakeApi, client: Client) -> None:
        with delivered() as runs:
            response = client.post("/function", {"email": "ada@example.org"})
        assert response.content == b"1"
        assert [(run.status, run.input) for run in runs] == [("succeeded", {"email": "ada@example.org", "count": None})]

    def test_arguments_of_the_url_and_the_name_of_the_view_stay(self, crm: FakeApi, client: Client) -> None:
        assert client.post("/function/word", {"email": "ada@example.org"}).content == b"word1"
        assert function.__name__ == "function"

    def test_what_is_not_submitted_is_not_sent(self, crm: FakeApi, client: Client) -> None:
        assert client.get("/function").content == b"once more"
        assert client.post("/function", {"email": "no address"}).content == b"once more"
        assert not FeedRun.objects.exists()

    def test_a_mapping(self, crm: FakeApi, client: Client) -> None:
        client.post("/function-with-mapping", {"name": "New"})
        assert FeedRun.objects.get().input == {"id": Group.objects.get().pk}

    @pytest.mark.parametrize("data", [{"email": "ada@example.org", "count": "x"}, {}])
    def test_a_form_that_is_not_valid_is_a_mistake_of_the_view(
        self, crm: FakeApi, client: Client, data: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match=r"function_too_early .* after form.is_valid\(\)"):
            client.post("/function-too-early", data)
        assert not FeedRun.objects.exists()

    def test_without_a_feed_the_form_works(self, db: None, client: Client) -> None:
        assert client.post("/function", {"email": "ada@example.org"}).content == b"0"

    def test_what_has_no_name_can_be_decorated(self, crm: FakeApi, rf: Any) -> None:
        view = submits_to("contact")(functools.partial(function.__wrapped__, word="partial"))  # type: ignore[attr-defined]  # functools.wraps sets it
        assert view(rf.post("/", {"email": "ada@example.org"})).content == b"partial1"  # type: ignore[attr-defined]  # it is an HttpResponse

    @pytest.mark.parametrize("trigger", ["", None, function])
    def test_it_needs_a_trigger(self, trigger: Any) -> None:
        with pytest.raises(ImproperlyConfigured, match=r'@submits_to\("contact-form"\)'):
            submits_to(trigger)

    def test_it_is_for_synchronous_function_views_and_one_trigger(self) -> None:
        async def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse()

        decorate: Callable[[Any], Any] = submits_to("contact")
        with pytest.raises(ImproperlyConfigured, match="sync_to_async"):
            decorate(view)
        with pytest.raises(ImproperlyConfigured, match="FeedFormMixin"):
            decorate(PlainForm)
        with pytest.raises(ImproperlyConfigured, match="already submits to “contact”"):
            submits_to("other")(function)


class TestOneTransaction:
    """With real commits: what is kept, and what has left."""

    @pytest.fixture
    def crm(self, transactional_db: None) -> Iterator[FakeApi]:
        with fake_connection("crm") as api:
            Feed.objects.create(name="Lead", slug="lead", connection=api.connection, trigger="contact", path="leads")
            yield api

    @pytest.fixture
    def atomic_requests(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", request.param)

    @pytest.mark.parametrize("atomic_requests", [True, False], indirect=True)
    def test_a_view_that_ends_well_has_it_sent_after_the_commit(
        self, crm: FakeApi, client: Client, atomic_requests: None
    ) -> None:
        for number, address in enumerate(["/create", "/function-with-mapping"]):
            client.post(address, {"name": f"New {number}"})
            assert len(crm.requests) == Group.objects.count() == number + 1
        assert {run.status for run in FeedRun.objects.all()} == {"succeeded"}

    @pytest.mark.parametrize("atomic_requests", [True], indirect=True)
    @pytest.mark.parametrize("address", ["/create-and-fail", "/function-without-atomic"])
    def test_a_request_that_is_rolled_back_sends_nothing(
        self, crm: FakeApi, client: Client, atomic_requests: None, address: str
    ) -> None:
        client.raise_request_exception = False
        assert client.post(address, {"name": "New"}).status_code == 500
        assert not Group.objects.exists()
        assert not FeedRun.objects.exists()
        assert crm.requests == []

    def test_the_views_own_transaction(self, crm: FakeApi, client: Client) -> None:
        client.raise_request_exception = False
        assert client.post("/function-with-mapping", {"name": "New", "fail": "1"}).status_code == 500
        assert (Group.objects.count(), FeedRun.objects.count(), crm.requests) == (0, 0, [])

    def test_the_mixin_keeps_both_or_neither(
        self, crm: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the outbox is broken")

        monkeypatch.setattr(FeedRun, "save", broken)
        with pytest.raises(RuntimeError):
            client.post("/create", {"name": "New"})
        assert not Group.objects.exists()

    def test_nothing_leaves_before_the_commit(self, crm: FakeApi, rf: Any) -> None:
        with transaction.atomic():
            function(rf.post("/", {"email": "ada@example.org"}))
            assert crm.requests == []
        assert len(crm.requests) == 1


class TestWhatCanNotBeKept:
    @pytest.fixture
    def group(self, crm: FakeApi) -> Group:
        return Group.objects.create(name="canary-group")

    @pytest.mark.parametrize(
        ("field", "advice"),
        [("group", "instance.pk"), ("groups", "values_list")],
    )
    @pytest.mark.parametrize("address", ["/odd", "/function-with-odd-form"])
    def test_the_visitor_does_not_see_it_and_the_log_names_the_field(
        self, group: Group, client: Client, caplog: pytest.LogCaptureFixture, *, address: str, field: str, advice: str
    ) -> None:
        data: Any = {
            "group": {"group": group.pk},
            "groups": {"groups": [group.pk]},
        }[field]
        with caplog.at_level(logging.ERROR, "apiconnector.forms"):
            response = client.post(address, data)
        assert response.status_code in {200, 302}
        assert Group.objects.filter(name="saved after").exists()
        assert not FeedRun.objects.exists()
        (record,) = caplog.records
        text = record.getMessage()
        assert record.levelno == logging.ERROR
        assert f"{field}: " in text
        assert advice in text
        assert "“contact”" in text
        assert {"/odd": "Odd submitted", "/function-with-odd-form": "function_with_odd_form submitted"}[address] in text
        assert record.exc_info is None
        assert "canary" not in text


def doc_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


class TestTheDocs:
    @pytest.fixture
    def page(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """The names that docs/forms.md defines, in a site that has the forms it speaks of."""

        class OrderForm(GroupForm):
            product = forms.ModelChoiceField(Group.objects.all())
            extras = forms.ModelMultipleChoiceField(Group.objects.all())
            attachment = forms.FileField()

        # What the page says about models is tried in tests/feeds/test_receivers.py.
        monkeypatch.setattr("apiconnector.forms.submits_model", lambda *_, **__: lambda function: function)
        for name, content in {"myapp": {}, "myapp.forms": {"ContactForm": GroupForm}}.items():
            module = types.ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)
        names: dict[str, Any] = {"__name__": "myapp.views", "OrderForm": OrderForm}
        for block in doc_blocks("forms.md"):
            exec(block, names)  # noqa: S102 - our own page
        names["ContactView"].success_url = names["OrderView"].success_url = "/thanks"
        names["redirect"] = lambda name: HttpResponse(f"on to {name}", status=302)
        return names

    @pytest.mark.parametrize("view", ["ContactView", "contact"])
    def test_the_views(self, page: dict[str, Any], crm: FakeApi, rf: Any, view: str) -> None:
        Feed.objects.update(trigger="contact-form")
        handler = page[view].as_view() if view == "ContactView" else page[view]
        with delivered() as runs:
            assert handler(rf.post("/", {"name": "New"})).status_code == 302
        assert [run.input for run in runs] == [{"name": "New"}]
        assert handler(rf.post("/", {"name": "New"})).status_code == 200  # it is taken

    @pytest.mark.django_db(transaction=True)
    def test_the_price(self, page: dict[str, Any], crm: FakeApi, rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page["QuoteView"], "render_to_response", lambda _, context: context["price"])
        first = Feed.objects.get()
        Feed.objects.update(trigger="quote", response_values={"price": "body.price"}, name="b")
        Feed.objects.create(slug="a", name="a", connection=crm.connection, trigger="quote", path="others")
        crm.add("POST", "others", json={})
        for number, (answer, price) in enumerate([({"price": 5}, 5), ({"price": None}, None), ({}, None)]):
            crm.add("POST", first.path, json=answer)
            assert page["QuoteView"].as_view()(rf.post("/", {"name": f"New {number}"})) == price
            crm._canned.clear()
            crm.add("POST", "others", json={})
        Feed.objects.filter(pk=first.pk).update(response_values={"price": "sum(body)"})
        crm.add("POST", first.path, json={})
        assert page["QuoteView"].as_view()(rf.post("/", {"name": "New"})) is None
        assert FeedRun.objects.filter(status="succeeded", error="response_values").count() == 1

    def test_get_feed_data(self, page: dict[str, Any], crm: FakeApi, rf: Any) -> None:
        Feed.objects.update(trigger="order")
        one, two = Group.objects.create(name="one"), Group.objects.create(name="two")
        data = {"name": "N", "product": one.pk, "extras": [one.pk, two.pk], "attachment": SimpleUploadedFile("a", b"a")}
        assert page["OrderView"].as_view()(rf.post("/", data)).status_code == 302
        order = Group.objects.get(name="N")
        assert FeedRun.objects.get().input == {
            "name": "N", "order": order.pk, "product": "one", "extras": ["one", "two"], "attachment": ANY,
        }  # fmt: skip  # in rows

    def test_the_log_line(self) -> None:
        page = " ".join((ROOT / "docs" / "forms.md").read_text(encoding="utf-8").split())
        for words in ("submitted nothing to “order”, because a field can't be kept:", "Hand over other data with"):
            assert words in page


EXAMPLE = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
from apiconnector.models import Feed
from apiconnector.testing import delivered, fake_connection
from example_site.contact.models import Message

setup_test_environment()
call_command("migrate", verbosity=0)
with fake_connection("crm") as crm:
    Feed.objects.create(slug="lead", connection=crm.connection, trigger="contact-form", path="leads")
    for address, data in (("/", {"message": "Hello"}), ("/brochure/", {})):
        assert Client().get(address).status_code == 200
        with delivered() as runs:
            response = Client().post(address, {"name": "Ada", "email": "ada@example.org", **data}, follow=True)
        assert b"Thank you" in response.content
        assert [run.status for run in runs] == ["succeeded"]
        assert runs[0].input["message"] == Message.objects.first().message
        print(runs[0].input["message"])
"""


def test_the_example_site_shows_both(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLE],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example_site.settings",
            "DATABASE_URL": "sqlite://:memory:",
            "DEMO_HOME": str(tmp_path),
            "SECRET_KEY": "example",
            "APICONNECTOR_KEYS": "YSBrZXkgZm9yIHRlc3RzLCBub3QgYSBzZWNyZXQgOi0=",
        },
    )
    assert done.stdout.splitlines() == ["Hello", "Please send me the brochure."], done.stderr
