"""Two forms: where the site hands over what a visitor wrote, once by mixin and once by decorator."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.generic import CreateView

from apiconnector.forms import FeedFormMixin, FeedRequest, submits_to
from example_site.contact.forms import BrochureForm, ContactForm
from example_site.contact.models import Message


class ContactView(FeedFormMixin, CreateView):  # type: ignore[type-arg]  # CreateView[…] fails at run time
    """Message and submission are kept together, or neither is. The request to the CRM goes out after the commit."""

    model = Message
    form_class = ContactForm
    template_name = "contact/contact.html"
    success_url = reverse_lazy("contact:thanks")
    trigger = "contact-form"


@submits_to("contact-form")
def brochure(request: FeedRequest) -> HttpResponse:
    """The same for a function view, which says itself what belongs into one transaction."""
    form = BrochureForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            message = form.save()
            request.submit_feed({**form.cleaned_data, "message": message.message})
        return redirect("contact:thanks")
    return render(request, "contact/brochure.html", {"form": form})


def thanks(request: HttpRequest) -> HttpResponse:
    return render(request, "contact/thanks.html")
