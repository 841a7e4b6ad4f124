"""URLs of the site that is measured."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("apiconnector.urls"))]
