"""Include at the root of a site: ``path("", include("apiconnector.urls"))``."""

from django.urls import path

from apiconnector.authorize.views import callback_view

app_name = "apiconnector"
urlpatterns = [path("oauth/callback", callback_view, name="callback")]
