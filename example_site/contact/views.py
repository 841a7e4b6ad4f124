"""The contact form: where the site hands over what a visitor wrote."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apiconnector.shortcuts import submit
from example_site.contact.forms import ContactForm


def contact(request: HttpRequest) -> HttpResponse:
    form = ContactForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        # One transaction: the message and what is to be sent are kept together, or neither is.
        # The request to the CRM goes out after the commit.
        with transaction.atomic():
            form.save()
            submit("contact-form", form.cleaned_data)
        return redirect("contact:thanks")
    return render(request, "contact/contact.html", {"form": form})


def thanks(request: HttpRequest) -> HttpResponse:
    return render(request, "contact/thanks.html")
