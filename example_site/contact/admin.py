"""The messages in the admin."""

from django.contrib import admin

from example_site.contact.models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # ModelAdmin[Message] fails at run time
    list_display = ("name", "email", "sent_at")
    readonly_fields = ("sent_at",)
