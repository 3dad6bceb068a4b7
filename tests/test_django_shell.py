"""`manage.py shell`, by somebody who may run it on the server: without a unit of work and an access scope nothing opens."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from audit.acting import acting
from audit.actors import system_actor
from bench.drills import forks
from tests.factories.clinics import ClinicFactory
from tests.factories.patients import PatientFactory

TYPED = """
import json
from django.db import connection, transaction
from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from patients.models import Patient

def attempt(deed):
    try:
        return repr(deed())
    except Exception as refused:
        return type(refused).__name__

def in_a_scope(patient):
    with access(Purpose.CARE, Kind.VIEWED):
        return patient.identity.name

said = {"nobody's rows": Patient.objects.count()}
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT set_config('zhizhi.clinics', %s, true)", ["CLINIC"])
    patient = Patient.objects.get()
    said["printed"] = f"{patient!r} {patient.identity} {vars(patient)}"
    said["a part"] = attempt(lambda: patient.identity.name)
    said["the column"] = attempt(lambda: list(Patient.objects.values_list("identity", flat=True)))
    said["a scope without an actor"] = attempt(lambda: in_a_scope(patient))
    said["looked for"] = attempt(lambda: Patient.objects.filter(identity__contains="陈").count())
open("FILE", "w").write(json.dumps(said, ensure_ascii=False))
"""


@pytest.mark.django_db(transaction=True)
def test_the_shell_opens_nothing_outside_an_access_scope(tmp_path: Path) -> None:
    clinic = ClinicFactory("east")
    with acting(system_actor("test", clinic.pk)):
        PatientFactory(clinic=clinic, name="陈雅琴", phone="+8613900001234")
    told = tmp_path / "told"
    typed = TYPED.replace("CLINIC", f"{{{clinic.pk}}}").replace("FILE", str(told))
    server = urlsplit(os.environ["DATABASE_URL"])
    here = server._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {**os.environ, "DATABASE_URL": here, "KEYS_DIR": str(settings.KEYS_DIR)}

    ended = forks.manage(environment, "shell", "-v", "0", "-c", typed)

    assert ended.returncode == 0, ended.stderr
    said = json.loads(told.read_text("utf-8"))
    assert said.pop("printed").count("‹sealed›") >= 2
    assert said == {
        "nobody's rows": 0,
        "a part": "NoAccessScope",
        "the column": "[‹sealed›]",
        "a scope without an actor": "NoActor",
        "looked for": "FieldError",
    }
    assert "陈雅琴" not in told.read_text("utf-8")
