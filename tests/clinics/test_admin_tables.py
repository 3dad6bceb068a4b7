"""Django admin shows who works here and what the log says; no table of a patient."""

from django.apps import apps
from django.contrib import admin

from crypto.models import SealedModel

SHOWN = {
    "account.emailaddress",  # empty: no page of ours writes there
    "audit.auditevent",
    "auth.group",
    "clinics.careteam",
    "clinics.chain",
    "clinics.clinic",
    "clinics.user",
    "mfa.authenticator",
}


def test_the_admin_shows_these_tables_and_no_other() -> None:
    assert {model._meta.label_lower for model in admin.site._registry} <= SHOWN


def test_no_model_with_a_patient_or_a_sealed_value_is_in_the_admin() -> None:
    for model in apps.get_models():
        names = {field.name for field in model._meta.get_fields()}
        if issubclass(model, SealedModel) or names & {"patient", "content_object", "twin", "subject_id"}:
            assert not admin.site.is_registered(model), model
