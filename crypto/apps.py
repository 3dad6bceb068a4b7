"""The ground floor: sealed values, their keys and the tokens they are found by."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CryptoConfig(AppConfig):
    name = "crypto"
    verbose_name = _("Sealed values and keys")

    def ready(self) -> None:
        from crypto import checks  # noqa: F401  registers itself
        from crypto.ids import read_ids_as_written

        read_ids_as_written()
