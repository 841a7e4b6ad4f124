"""URLs of the site under test, and of the provider it talks to (the tests run both in one process)."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource


@protected_resource()  # type: ignore[untyped-decorator]  # it ships no types
def me(request: HttpRequest) -> JsonResponse:
    """The provider's API: who the token belongs to."""
    owner = getattr(request, "resource_owner", None)
    return JsonResponse({"id": 7, "name": owner.get_username() if owner else "the site itself"})


def home(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse("home")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("api/me", me),
    path("", home),
    path("", include("apiconnector.urls")),
]
