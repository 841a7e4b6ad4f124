"""Where editors work, too."""

from django.urls import include, path

urlpatterns = [path("cms/", include("wagtail.admin.urls")), path("", include("wagtail.urls"))]
