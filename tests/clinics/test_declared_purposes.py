"""No use without a purpose: every page, job, serializer and window that opens sealed data says for which, and opens for no other."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.errors import PurposeUndeclared
from audit.jobs import Job
from audit.kinds import Kind
from audit.purposes import Purpose
from config.celery import app
from consent.purposes import rules
from crypto.fields import SealedField
from crypto.windows import Window
from tests.factories.clinics import ClinicFactory
from tests.walking import routes


def jobs() -> list[Any]:
    app.loader.import_default_modules()
    return [task for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")]


def test_every_job_names_its_purposes_and_each_stands_in_the_registry() -> None:
    assert len(jobs()) > 15
    for job in jobs():
        assert isinstance(job, Job), f"{job.name}: declare it with audit.jobs.job"
        assert set(job.purposes) <= set(rules())


@pytest.mark.requirement("PIPL-06", "HIPAA-502b")
@pytest.mark.django_db
def test_a_job_opens_for_no_purpose_it_has_not_named() -> None:
    clinic, asked = ClinicFactory("east"), list[Purpose]()

    class Look(Job):
        name = "look"
        purposes = (Purpose.FOLLOWUP,)

        def run(self, purpose: str) -> None:
            with acting(system_actor("test", clinic.pk)), access(Purpose(purpose), Kind.COMPUTED):
                asked.append(Purpose(purpose))

    look = app.register_task(Look())
    try:
        look("followup")
        with pytest.raises(PurposeUndeclared):
            look("marketing")
    finally:
        app.tasks.unregister("look")
    assert asked == [Purpose.FOLLOWUP]


def test_every_page_that_opens_something_names_a_purpose_of_the_registry() -> None:
    """A page without one opens nothing: there is no scope in which it could."""
    guards = [route.guard for route in routes() if route.guard is not None]
    named = {
        one.purpose for guard in guards for one in (guard, *guard.methods.values()) if one.purpose is not None
    }
    assert len(guards) > 60
    assert named <= set(rules())
    assert not any(guard.purpose is None and guard.audience == "patient" for guard in guards)


def test_every_window_of_the_admin_on_sealed_rows_is_one_that_opens_nothing() -> None:
    sealed = [
        model
        for model in apps.get_models()
        if any(isinstance(field, SealedField) for field in model._meta.concrete_fields)
    ]
    shown = [model for model in sealed if admin.site.is_registered(model)]
    assert shown
    for model in shown:
        assert isinstance(admin.site._registry[model], Window), model
