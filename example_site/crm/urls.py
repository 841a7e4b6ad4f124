"""URLs of the CRM."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from oauth2_provider.views import AuthorizationView, RevokeTokenView

from example_site.crm import api, views

oauth = [
    path("authorize/", AuthorizationView.as_view(), name="authorize"),
    path("token/", views.RecordedTokenView.as_view(), name="token"),
    path("revoke_token/", RevokeTokenView.as_view(), name="revoke-token"),
]
urlpatterns = [
    path("", views.leads, name="leads"),
    path("login/", LoginView.as_view(template_name="crm/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("o/", include((oauth, "oauth2_provider"))),
    path("api/leads", api.leads),
    path("api/me", api.me),
]
