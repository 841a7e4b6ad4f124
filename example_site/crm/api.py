"""The API. A client calls it with an access token in the ``Authorization`` header (RFC 6750 section 2.1)."""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods
from oauth2_provider.decorators import protected_resource

from example_site.crm.models import Lead

if TYPE_CHECKING:
    from collections.abc import Callable

    View = Callable[[HttpRequest], HttpResponse]


def token_required(scope: str) -> Callable[[View], View]:
    """Let a view be called only with a token that is alive and has ``scope``."""

    def decorate(view: View) -> View:
        guarded = protected_resource(scopes=[scope])(view)

        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = guarded(request)
            if isinstance(response, HttpResponseForbidden):
                # The toolkit says 403; RFC 6750 section 3.1 wants 401 for a token that is missing or no longer valid.
                response = JsonResponse({"error": "invalid_token"}, status=401)
                response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response

        return answer

    return decorate


class LeadForm(forms.ModelForm):  # type: ignore[type-arg]  # ModelForm[Lead] fails at run time
    class Meta:
        model = Lead
        fields = ("name", "email", "message")


@csrf_exempt
@require_http_methods(["GET", "POST"])
def leads(request: HttpRequest) -> HttpResponse:
    """``GET /api/leads``: all leads. ``POST``: add one."""
    return _add_lead(request) if request.method == "POST" else _list_leads(request)


@token_required("leads:read")
def _list_leads(request: HttpRequest) -> HttpResponse:
    del request
    return JsonResponse({"leads": list(Lead.objects.values("id", "name", "email", "message"))})


@token_required("leads:write")
def _add_lead(request: HttpRequest) -> HttpResponse:
    try:
        data = json.loads(request.body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return JsonResponse({"error": "The body has to be a JSON object."}, status=400)
    form = LeadForm(data)
    if not form.is_valid():
        return JsonResponse({"error": "Some fields are missing or wrong.", "fields": form.errors}, status=422)
    return JsonResponse({"id": form.save().pk}, status=201)


@require_GET
@token_required("leads:read")
def me(request: HttpRequest) -> HttpResponse:
    """``GET /api/me``: who gave the access."""
    user = request.resource_owner  # type: ignore[attr-defined]  # protected_resource sets it
    return JsonResponse({"id": user.pk, "name": user.get_username()})
