"""URLs of the forms."""

from django.urls import path

from example_site.contact import views

app_name = "contact"
urlpatterns = [
    path("", views.ContactView.as_view(), name="contact"),
    path("brochure/", views.brochure, name="brochure"),
    path("thanks/", views.thanks, name="thanks"),
]
