"""The pages of the CRM, and its token endpoint."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from oauth2_provider.views import TokenView

from example_site.crm.models import Lead, TokenRequest


@login_required
def leads(request: HttpRequest) -> HttpResponse:
    context = {"leads": Lead.objects.all()[:100], "token_requests": TokenRequest.objects.all()[:10]}
    return render(request, "crm/leads.html", context)


class RecordedTokenView(TokenView):  # type: ignore[misc]  # it has no types
    """The toolkit's token endpoint; each request is written down."""

    def post(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = super().post(request)
        grant_type = request.POST.get("grant_type", "")[:50]
        TokenRequest.objects.create(grant_type=grant_type, status_code=response.status_code)
        return response
