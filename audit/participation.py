"""The one inversion: a deed of a lower app asks every app above it to take part (ADR 0001).

An app takes part by having a module `participation` with a function of the deed's name, such as `on_withdrawn`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps


def call(deed: str, **facts: object) -> list[Any]:
    """What each participant answered, in staircase order (that of INSTALLED_APPS), inside the caller's transaction."""
    answers = []
    for app in apps.get_app_configs():
        name = f"{app.name}.participation"
        if (
            app.name != "audit"
            and find_spec(name)
            and (take_part := getattr(import_module(name), deed, None))
        ):
            answers.append(take_part(**facts))
    return answers
