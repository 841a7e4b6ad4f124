"""What visitors wrote."""

from django.db import models


class Message(models.Model):
    name = models.CharField("your name", max_length=100)
    email = models.EmailField("your e-mail address")
    message = models.TextField("your message", max_length=5000)
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.name}, {self.sent_at:%Y-%m-%d %H:%M}"
