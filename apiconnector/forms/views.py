"""Submit what a valid form brought: a mixin for class-based views, a decorator for others."""

from __future__ import annotations

from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from django.core.exceptions import ImproperlyConfigured
from django.forms import BaseForm
from django.http import HttpRequest
from django.views.generic.edit import FormMixin

from apiconnector.feeds.outbox import refresh
from apiconnector.forms.submitting import name_of, one_transaction, submit_or_log
from apiconnector.forms.visitors import tell_visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

    from apiconnector.models import FeedRun

P = ParamSpec("P")


class FeedFormMixin:
    """For ``FormView``, ``CreateView`` and ``UpdateView``: a valid form is submitted to the feeds of ``trigger``.

    Name it before the view: ``class Contact(FeedFormMixin, CreateView)``. It works after ``form_valid()``, in one
    transaction with it: what the form saves and what is to be sent are kept together, or neither is. Nothing is
    submitted where ``form_valid()`` raises, or adds an error to the form.
    """

    #: What the feeds listen to, such as ``"contact-form"``.
    trigger: str = ""
    #: The runs of what was submitted, once ``form_valid()`` has been called. Where they were sent at once, they are as
    #: they were after that.
    feed_runs: Sequence[FeedRun] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse an order of bases in which nothing would ever be submitted: Django's views don't call further."""
        super().__init_subclass__(**kwargs)
        order = cls.__mro__
        if FormMixin in order and order.index(FormMixin) < order.index(FeedFormMixin):
            raise ImproperlyConfigured(
                f"{cls.__qualname__}: name FeedFormMixin before the view, as in class "
                f"{cls.__name__}(FeedFormMixin, FormView). Behind it, nothing would be submitted."
            )

    def get_feed_data(self, form: Any) -> Mapping[str, Any]:
        """What the feeds get: ``form.cleaned_data``. Override it to add, rename, convert or leave out.

        Called after the form was saved: a ``CreateView`` or ``UpdateView`` has ``self.object``.
        """
        data: Mapping[str, Any] = form.cleaned_data
        return data

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the view do its work, then submit.

        ``ImproperlyConfigured`` for a view without a trigger, before anything is saved.
        """
        if not self.trigger:
            raise ImproperlyConfigured(f'{type(self).__qualname__} needs a trigger, such as trigger = "contact-form".')
        with one_transaction():
            response: HttpResponse = super().form_valid(form)  # type: ignore[misc]  # it is the view that has it
            if form.is_valid():
                get_data = partial(self.get_feed_data, form)
                self.feed_runs = submit_or_log(self.trigger, get_data, name_of(type(self)), "get_feed_data()")
                tell_visitor(self.request, self.feed_runs)  # type: ignore[attr-defined]  # likewise
        refresh(self.feed_runs)
        return response


class FeedRequest(HttpRequest):
    """For annotations only: the request that a view decorated with ``submits_to`` gets."""

    #: Submit a valid form, or a mapping; the runs that are kept, none where the data was refused.
    submit_feed: Callable[[BaseForm | Mapping[str, Any]], list[FeedRun]]


def submits_to(
    trigger: str,
) -> Callable[
    [Callable[Concatenate[FeedRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Give a function view ``request.submit_feed(form)``, which submits to the feeds of ``trigger``.

    The view calls it where it saves the form, in the same ``transaction.atomic()``. It takes the valid form, whose
    ``cleaned_data`` is submitted, or a mapping, and returns the list of runs; the list is empty where no active feed
    listens and where the data can't be kept, which is logged as an error.

    Raises ``ImproperlyConfigured`` when it is put on something else than a synchronous function view, twice on the
    same view, or without a trigger. ``request.submit_feed()`` raises ``ValueError`` for a form that is not valid.
    """
    if not isinstance(trigger, str) or not trigger:
        raise ImproperlyConfigured('submits_to needs a trigger, such as @submits_to("contact-form").')

    def decorate(
        view: Callable[Concatenate[FeedRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        _require_function_view(view)
        name = name_of(view)

        @wraps(view)
        def wrapped(request: Any, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            request.submit_feed = partial(_submit_from_view, request, trigger, name)
            return view(request, *args, **kwargs)

        wrapped.feed_trigger = trigger  # type: ignore[attr-defined]  # tells a second decorator that one is there
        return wrapped

    return decorate


def _require_function_view(view: Any) -> None:
    if isinstance(view, type):
        raise ImproperlyConfigured(
            f"submits_to is for function views, and {view.__qualname__} is a class: use FeedFormMixin for its view."
        )
    if iscoroutinefunction(view):
        raise ImproperlyConfigured(
            f"submits_to is for synchronous views, and {name_of(view)} is async: "
            "call sync_to_async(submit)(trigger, form.cleaned_data) in it."
        )
    if hasattr(view, "feed_trigger"):
        raise ImproperlyConfigured(
            f"{name_of(view)} already submits to “{view.feed_trigger}”. A view has one trigger; any number of "
            "feeds may listen to it. For another trigger, call submit() in the view."
        )


def _submit_from_view(
    request: HttpRequest, trigger: str, view: str, form: BaseForm | Mapping[str, Any], /
) -> list[FeedRun]:
    data: Any = form
    if isinstance(form, BaseForm):
        if not form.is_valid():
            raise ValueError(f"{view} submits a form that is not valid: call submit_feed() after form.is_valid().")
        data = form.cleaned_data
    runs = submit_or_log(trigger, lambda: data, view, "submit_feed({…})")
    tell_visitor(request, runs)
    return runs
