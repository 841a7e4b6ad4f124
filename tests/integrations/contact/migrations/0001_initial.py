"""The tables of whatever models the docs have now."""

from __future__ import annotations

from typing import Any

from django.apps import apps as now
from django.db import migrations


def create(_: Any, schema_editor: Any) -> None:
    for model in now.get_app_config("contact").get_models():
        schema_editor.create_model(model)


class Migration(migrations.Migration):
    initial = True
    dependencies = [("wagtailcore", "__latest__")]
    operations = [migrations.RunPython(create)]
