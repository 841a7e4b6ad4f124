"""Wagtail serves all pages."""

from django.urls import include, path

urlpatterns = [path("", include("wagtail.urls"))]
