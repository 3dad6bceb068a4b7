from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClinicsConfig(AppConfig):
    name = "clinics"
    verbose_name = _("Clinics and staff")

    def ready(self) -> None:
        from clinics import rights_events
        from clinics.accounts import events

        events.connect()
        rights_events.connect()
