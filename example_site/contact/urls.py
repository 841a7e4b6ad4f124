"""URLs of the contact form."""

from django.urls import path

from example_site.contact import views

app_name = "contact"
urlpatterns = [
    path("", views.contact, name="contact"),
    path("thanks/", views.thanks, name="thanks"),
]
