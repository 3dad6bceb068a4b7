"""Start refuses, with one sentence, when the keys are not where they should be."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from crypto.errors import KeysMissing
from crypto.providers import provider


@register("crypto")
def check_key_store(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        return [Error(sentence, id="crypto.E001") for sentence in provider().health()]
    except KeysMissing as error:
        return [Error(str(error), id="crypto.E001")]
