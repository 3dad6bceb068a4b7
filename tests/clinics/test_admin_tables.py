"""Every table of ours has a window in Django admin or a reason why not; who may write where stands in a table; nothing sealed shows."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent, Check
from clinics.models import User
from clinics.roles import Role
from tests.api.conftest import House, hire, house  # noqa: F401 (fixtures)
from tests.factories.clinics import StaffRoleFactory, hired
from tests.walking import Walker

EDITED = {  # what is written here: add, change, delete
    "auth.group": (True, True, True),
    "clinics.careteam": (True, True, True),
    "clinics.chain": (True, True, True),
    "clinics.clinic": (False, True, False),
    "clinics.specialday": (True, True, True),
    "clinics.staffabsence": (True, True, True),
    "clinics.user": (True, True, True),
}
WINDOWS = {
    "admin.logentry", "audit.alarm", "audit.auditevent", "audit.check", "audit.rowchange", "clinics.apitoken", "clinics.integration",
    "consent.complaint", "consent.consentevent", "consent.consentnotice", "consent.consentstate", "consent.disclosure", "consent.impactassessment",
    "consent.personrequest", "consent.recipient", "crypto.kek", "crypto.keyjob", "exchange.evidencepack",
    "exchange.importbatch", "exchange.preservation", "followups.attempt", "followups.enrolment", "followups.followup", "followups.message", "followups.outbox",
    "patients.breakglass", "patients.card", "patients.carerelationship", "patients.patient", "patients.patientgroupobjectpermission",
    "patients.patienttag", "patients.patientuserobjectpermission", "patients.portalaccess", "patients.tag", "patients.twinoverride",
    "records.examreport", "records.observation",
}  # fmt: skip
NO_WINDOW = {
    "audit.alarmletter": "kept by the watch of alarms",
    "audit.alarmlimits": "versions of a setting, written on the alarms' own page",
    "audit.alarmnote": "the words of whoever decided, sealed; read on the alarms' own page",
    "audit.alarmwatch": "how far the watch of alarms has come",
    "audit.untoldalarm": "until the next letter",
    "audit.checkpoint": "a composite key, which admin does not show; read by `audit_verify`",
    "audit.cosignature": "as a checkpoint",
    "audit.decoy": "would tell whom nobody cares for",
    "audit.eventsubject": "a composite key; the log's pages read it",
    "audit.leaf": "a composite key; read by `audit_verify`",
    "audit.namestoldversion": "versions of a setting, written on a page of the privacy desk",
    "audit.node": "a composite key; read by `audit_verify`",
    "audit.timestamp": "as a checkpoint",
    "clinics.accountnotice": "its owner reads it",
    "clinics.accountsession": "ended on the page of accounts",
    "clinics.apirepeat": "digests that live a day",
    "clinics.apitokenuse": "beside the token, on its page",
    "clinics.knowndevice": "its owner reads it",
    "clinics.resetlink": "issued on the page of accounts",
    "clinics.staffrole": "edited with the account",
    "clinics.teammember": "edited with the team",
    "consent.assessmentapproval": "one line beside its assessment",
    "consent.confirmationcode": "lives ten minutes",
    "consent.optoutlink": "hashes of links in messages",
    "consent.requestedcorrection": "sealed words, decided on the desk of requests",
    "crypto.cryptoepoch": "one row, moved by the key services",
    "crypto.indexkey": "wrapped keys",
    "crypto.sealedfile": "wrapped keys",
    "crypto.subjectkey": "wrapped keys",
    "patients.patientaccess": "a composite key, kept by triggers",
    "patients.patientsearch": "tokens",
    "patients.patientsearchperson": "would tie tokens to a patient",
    "patients.portalinvitation": "lives a day",
    "portal.pin": "a hash that nobody reads",
    "portal.readingmode": "a person's own choice",
    "portal.signincode": "lives ten minutes",
    "records.recordschange": "a wake-up, gone when it was taken",
}
OURS = (
    "crypto",
    "audit",
    "clinics",
    "patients",
    "consent",
    "records",
    "followups",
    "exchange",
    "portal",
    "desk",
)
Hire = Callable[..., User]


def registered() -> dict[str, type[models.Model]]:
    return {model._meta.label_lower: model for model in admin.site._registry}


def our_models() -> set[str]:
    return {m._meta.label_lower for m in apps.get_models() if m._meta.app_label in OURS}


def test_every_table_of_ours_has_a_window_or_a_reason_why_not() -> None:
    ours = {label for label in our_models() if label.partition(".")[0] in OURS}
    assert ours - set(registered()) == set(NO_WINDOW) & ours
    assert set(registered()) == WINDOWS | set(EDITED)
    assert set(NO_WINDOW) <= ours | {"audit.timestamp"}


def test_every_list_can_be_searched_and_speaks_chinese() -> None:
    for model, site in admin.site._registry.items():
        assert site.search_fields or model is Check, model  # a dozen rows, by their time
        with translation.override("zh-hans"):
            assert re.search("[\u4e00-\u9fff]", str(model._meta.verbose_name_plural)), model


def test_who_may_write_where_stands_in_the_table() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User(is_staff=True, is_superuser=True)
    for label, model in registered().items():
        site = admin.site._registry[model]
        may = (
            site.has_add_permission(request),
            site.has_change_permission(request),
            site.has_delete_permission(request),
        )
        assert may == EDITED.get(label, (False, False, False)), label
        assert site.has_view_permission(request), label


def let_look(house: House) -> None:  # noqa: F811
    """The doctor may open admin and see every window."""
    with acting(system_actor("test", house.clinic.pk)):
        User.objects.filter(pk=house.doctor.pk).update(is_staff=True)
        house.doctor.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="clinics.accounts.backend.AccountBackend")
    return client


def shown(answer: Any) -> list[models.Model]:
    """The rows of a list."""
    return list(answer.context_data["cl"].result_list)


@pytest.mark.django_db
@pytest.mark.parametrize("of", ["patients/patient", "clinics/user"])
def test_a_row_that_is_not_theirs_or_not_there_is_refused_and_told(house: House, of: str) -> None:  # noqa: F811
    """Django leads to its first page, and ids could be tried without a trace."""
    administrator = hired(house.clinic, role=Role.ADMINISTRATOR)
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    office = Walker(administrator)
    for row_id in (house.patient.pk, uuid4()):
        assert office.get(f"/admin/{of}/{row_id}/change/").status_code == 404
    with acting(system_actor("test", house.clinic.pk)):
        assert AuditEvent.objects.filter(action="access.denied", actor_id=administrator.pk).count() == 2


@pytest.mark.django_db
def test_lists_and_details_open_and_an_administrator_sees_no_patient(house: House, hire: Hire) -> None:  # noqa: F811
    """The doctor, who may look into admin too, sees their own patients' rows: sealed values as sealed."""
    let_look(house)
    administrator = hire(house.clinic, Role.ADMINISTRATOR)
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    desk, office = Walker(house.doctor), Walker(administrator)
    words = ("陈雅琴", "13900001234", "7.10")
    seen = set()
    for label, model in registered().items():
        path = f"/admin/{label.replace('.', '/')}/"
        own, theirs = desk.get(path), office.get(path)
        assert (own.status_code, theirs.status_code) == (200, 200), label
        rows = shown(own)
        pages = [own.content.decode(), theirs.content.decode()]
        if rows:
            pages.append(desk.get(f"{path}{rows[0].pk}/change/").content.decode())
            seen.add(label)
        if any(
            field.name in ("patient", "content_object", "message") for field in model._meta.fields
        ) or label.endswith(".patient"):
            assert shown(theirs) == [], label
        assert not any(word in page for word in words for page in pages), label
    seen_of_patients = {
        "patients.patient",
        "patients.card",
        "patients.carerelationship",
        "records.observation",
    }
    assert seen_of_patients | {"followups.followup", "consent.consentevent"} <= seen


@pytest.mark.django_db
def test_a_list_costs_the_same_however_long_it_is(house: House) -> None:  # noqa: F811
    let_look(house)
    desk = Walker(house.doctor)
    for number, label in enumerate(registered()):
        path = f"/admin/{label.replace('.', '/')}/"
        if number == 0:
            desk.get(path)  # the kinds of content are read once
        with CaptureQueriesContext(connection) as asked:
            desk.get(path)
        texts = [
            one["sql"].partition(" WHERE ")[0]
            for one in asked.captured_queries
            if one["sql"].startswith("SELECT")
        ]
        assert len(asked) <= 24, label
        assert max(texts.count(text) for text in texts) <= 3, label


@pytest.mark.django_db
def test_what_is_edited_is_named_by_its_id_in_djangos_own_list(house: House, hire: Hire) -> None:  # noqa: F811
    administrator = hire(house.clinic, Role.ADMINISTRATOR)
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    form = {"name": "三组", "clinic": str(house.clinic.pk), "valid_from_0": "2026-01-01", "valid_from_1": "08:00:00",
            "teammember_set-TOTAL_FORMS": "0", "teammember_set-INITIAL_FORMS": "0"}  # fmt: skip

    answer = browser_of(administrator).post("/admin/clinics/careteam/add/", form)

    assert answer.status_code == 302, answer.context["errors"]
    (entry,) = LogEntry.objects.all()
    assert entry.object_repr == entry.object_id
    assert "三组" not in entry.object_repr + entry.change_message


@pytest.mark.django_db
@override_settings(MFA_REQUIRED=True)
def test_admin_stands_behind_the_second_factor_and_the_staff_flag(house: House, hire: Hire) -> None:  # noqa: F811
    plain = hire(house.clinic, Role.ADMINISTRATOR)
    StaffRoleFactory(user=plain, clinic=house.clinic, role=Role.MANAGER)
    assert browser_of(plain).get("/admin/").status_code == 404
    User.objects.filter(pk=plain.pk).update(is_staff=True, is_superuser=True)
    assert browser_of(plain).get("/admin/").status_code == 200
    Authenticator.objects.filter(user=plain).delete()
    assert browser_of(plain).get("/admin/").status_code == 302
