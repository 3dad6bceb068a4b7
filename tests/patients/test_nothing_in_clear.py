"""A canary: after a day at the desk no name, phone, ID number or e-mail stands in clear in any table of the database."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, User
from config.dbroles.owner import as_owner
from patients.choices import PortalRelation, TagLevel
from patients.models import Patient
from patients.services import TagDefinition, give_portal_access, set_rule_tag
from tests.factories.patients import OPENED_AT, id_number

NAME, OTHER_NAME = "金丝雀·阿不都", "金丝燕"
PHONE = "13912345678"
PAPERS = id_number("99010119601231003")
EMAIL = "canary@birds.example"
SECRET_TAG = "canary_secret_tag"
CANARIES = [NAME, "金丝雀", OTHER_NAME, PHONE, PAPERS, EMAIL, "19601231", "1960-12-31", SECRET_TAG]


@pytest.mark.django_db(transaction=True)
def test_no_table_holds_who_somebody_is(clinic: Clinic, nurse: Actor, nurse_account: User) -> None:
    a_day_at_the_desk(clinic, nurse, nurse_account)

    hits = {canary: tables_with(canary) for canary in CANARIES}

    assert hits == {canary: [] for canary in CANARIES}
    assert tables_with(str(nurse.user_id))  # the search itself finds what is there


def a_day_at_the_desk(clinic: Clinic, nurse: Actor, account: User) -> None:
    desk = Client()
    desk.force_login(account)
    card = {"name": NAME, "id_number": PAPERS, "phone": PHONE, "phone_owner": "self", "email": EMAIL}
    desk.post(reverse("patients:search"), {"q": NAME})
    desk.post(reverse("patients:new"), {"typed": PHONE})
    desk.post(reverse("patients:new"), {**card, "form_token": str(uuid4()), "phone": "1"})
    assert desk.post(reverse("patients:new"), {**card, "form_token": str(uuid4())}).status_code == 302
    twin = {**card, "name": OTHER_NAME, "id_number": "", "sex": "female", "birth_date": "1960-12-31"}
    desk.post(reverse("patients:check"), twin)
    opened = desk.post(
        reverse("patients:new"), {**twin, "form_token": str(uuid4()), "twin_reason": "shared_phone"}
    )
    assert opened.status_code == 302
    for said in (NAME, "金丝", PHONE, "5678", PAPERS):
        desk.post(reverse("patients:search"), {"q": said})
    desk.get(reverse("patients:list"))
    with acting(nurse):
        patients = list(Patient.objects.order_by("created_at"))
        give_portal_access(patients[0], PortalRelation.SELF, nurse, at=OPENED_AT)
        with access(Purpose.CARE, Kind.VIEWED):
            patients[0].identity.replace(name=OTHER_NAME)
            patients[0].save()
    rules = system_actor("rules", clinic.pk)
    tag = TagDefinition(
        code=SECRET_TAG,
        name_zh=SECRET_TAG,
        name_en=SECRET_TAG,
        group=SECRET_TAG,
        level=TagLevel.WARN,
        sealed=True,
    )
    with acting(rules), access(Purpose.RISK, Kind.COMPUTED):
        set_rule_tag(patients[0], tag, reason={"why": SECRET_TAG}, rule_version="1", at=OPENED_AT, by=rules)


def tables_with(text: str) -> list[str]:
    """Every table of every package that holds the text, as text or as bytes, read as the owner."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        found = []
        for table in tables:
            cursor.execute(
                f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, %s) > 0 OR strpos(t::text, %s) > 0)",
                [text, text.encode().hex()],
            )
            if cursor.fetchone() == (True,):
                found.append(table)
        return found
