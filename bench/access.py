"""`python -m bench access`: the first page of one's own patients, beside the unfiltered page and beside django-guardian.

Viewers see 50, one team's (about 5,000 of a million) and half of everybody. Ours is `page_of_visible`, what the list runs. The unfiltered
page reads the newest 50 of the clinic with the same columns; guardian's is `get_objects_for_user` over its direct foreign keys at its
best (the model as `klass`, no global permissions). All three stand under row security, and show the same people. `access.list_http` is
the whole page by gunicorn, beside a bare view that returns the same bytes as one ready string through the same server without middleware.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.test import Client
from django.utils import timezone
from guardian.shortcuts import get_objects_for_user

from bench.crowd import Crowd, Viewer, crowd_of, seal_pages
from bench.http import cost_of_pages
from bench.measure import Goal, Measure, Report, race
from clinics.models import User
from patients.choices import CareRole
from patients.models import CareRelationship, Patient
from patients.queries import count_of_visible, page_of_visible
from patients.queries.access import PAGE_SIZE

NAMES: Final = ("sees50", "sees5000", "sees500000")
GOALS: Final = {
    "access.page.sees50": Goal(3, "the unfiltered page"),
    "access.page.sees5000": Goal(3, "the unfiltered page"),
    "access.page.sees500000": Goal(5, "the unfiltered page"),
    "access.vs_guardian.sees50": Goal(0.01, "get_objects_for_user"),
    "access.vs_guardian.sees5000": Goal(0.1, "get_objects_for_user"),
    "access.vs_guardian.sees500000": Goal(0.1, "get_objects_for_user"),
    "access.count.sees5000": Goal(0.05, "count(*) of the clinic"),
    "access.list_http": Goal(12, "a bare view of the same bytes"),
    "access.list_http_growth": Goal(1.3, "the same page in a clinic of 10,000"),
}
FEW, SMALL, FULL = 10_000, 50_000, 1_000_000
REQUESTS: Final = 150
OF_A_STRING: Final = 4 * REQUESTS  # the bare view takes less than a tick of the clock that is read
BARE_CARE: Final = "INSERT INTO bench_care SELECT uuidv7(), %s, now(), NULL, %s, %s, NULL, %s"


def run(report: Report, *, full: bool) -> None:
    few, many = crowd_of(FEW, report.say), crowd_of(FULL if full else SMALL, report.say)
    _compare_pages(report, many, rounds=9 if full else 5)
    _write(report, many)
    _over_http(report, few, many)


def _compare_pages(report: Report, crowd: Crowd, *, rounds: int) -> None:
    show(crowd.clinic.pk)
    clinic_id = crowd.clinic.pk
    for name, viewer in zip(NAMES, crowd.viewers, strict=True):
        ours, theirs = page_of_visible(viewer.actor, clinic_id).patients, guardian_page(viewer, clinic_id)
        if ours != theirs or not ours:
            raise SystemExit(f"access: {name}: the two sides show other people; the bench compares nothing")
        report.say(f"access: {name}: asking …")
        samples = race(
            {
                "ours": partial(_page, viewer, clinic_id),
                "unfiltered": partial(_unfiltered, clinic_id),
            },
            rounds=3 * rounds,
            times=5,
        )
        report.ratio(f"access.page.{name}", samples, "ours", "unfiltered")
        samples = race(
            {
                "ours": partial(_page, viewer, clinic_id),
                "guardian": partial(guardian_page, viewer, clinic_id),
            },
            rounds=rounds,
            warm_ups=1,
        )
        report.ratio(f"access.vs_guardian.{name}", samples, "ours", "guardian")
    counts: dict[str, Callable[[], object]] = {
        "ours": partial(count_of_visible, crowd.viewers[1].actor, clinic_id, bound=FULL),
        "all": Patient.objects.filter(clinic_id=clinic_id, restricted_at=None).count,
    }
    report.ratio("access.count.sees5000", race(counts, rounds=rounds, warm_ups=1), "ours", "all")
    bounded: dict[str, Callable[[], object]] = {
        **counts,
        "ours": partial(count_of_visible, crowd.viewers[2].actor, clinic_id),
    }
    report.ratio("access.count.sees500000_bounded", race(bounded, rounds=rounds, warm_ups=1), "ours", "all")


def _page(viewer: Viewer, clinic_id: UUID) -> list[Patient]:
    return page_of_visible(viewer.actor, clinic_id).patients


def _unfiltered(clinic_id: UUID) -> list[Patient]:
    newest = Patient.objects.filter(clinic_id=clinic_id, restricted_at=None).order_by("-created_at", "-pk")
    return list(newest[: PAGE_SIZE + 1])[:PAGE_SIZE]


def guardian_page(viewer: Viewer, clinic_id: UUID) -> list[Patient]:
    seen = get_objects_for_user(
        viewer.twin, "patients.view_patient", klass=Patient, accept_global_perms=False, with_superuser=False
    )
    newest = seen.filter(clinic_id=clinic_id, restricted_at=None).order_by("-created_at", "-pk")
    return list(newest[: PAGE_SIZE + 1])[:PAGE_SIZE]


def _write(report: Report, crowd: Crowd) -> None:
    """What one care relationship costs with its right and its row change, beside a row of the same shape that nothing watches."""
    show(crowd.clinic.pk)
    patient = _unfiltered(crowd.clinic.pk)[0]
    values: list[Any] = ["covering", crowd.clinic.pk, patient.pk, crowd.viewers[0].twin.pk]
    row = {"clinic_id": crowd.clinic.pk, "patient": patient, "staff": crowd.viewers[0].twin}

    def care() -> None:
        with transaction.atomic():
            CareRelationship.objects.bulk_create(
                [CareRelationship(**row, role=CareRole.COVERING, valid_from=timezone.now())]
            )
            transaction.set_rollback(True)

    def bare() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE_CARE, values)
            transaction.set_rollback(True)

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS bench_care (id uuid PRIMARY KEY, role varchar(12), valid_from timestamptz,"
            " valid_until timestamptz, clinic_id uuid, patient_id uuid, team_id uuid, staff_id uuid)"
        )
        cursor.execute("SELECT set_config('zhizhi.actor', 'system:bench', false)")
    report.ratio("access.write", race({"care": care, "bare": bare}, rounds=9, times=10), "care", "bare")


def _over_http(report: Report, few: Crowd, many: Crowd) -> None:
    """The list of somebody with one team, whole, as CPU of Python and PostgreSQL."""
    cost, size = {}, 0
    for name, crowd in (("few", few), ("many", many)):
        viewer = crowd.viewers[1]
        show(crowd.clinic.pk)
        page = _page(viewer, crowd.clinic.pk)
        seal_pages(crowd, page)
        user = User.objects.get(pk=str(viewer.actor.user_id))
        cost[name], body = cost_of_pages("/patients/", cookie=signed_in(user), requests=REQUESTS)
        size = len(body)
        if page[0].service_number not in body.decode():
            raise SystemExit("access: the page does not show its patients; the bench measures nothing")
        if name == "many":
            bare, _same = cost_of_pages("/", body=body, requests=OF_A_STRING)
    report.say(f"access: the page has {size:,} bytes")
    for name, reference in (("access.list_http", bare), ("access.list_http_growth", cost["few"])):
        report.add(
            Measure(
                name=name,
                value=cost["many"],
                unit="ms",
                reference=reference,
                ratio=cost["many"] / reference,
                n=REQUESTS,
            )
        )


def signed_in(user: User) -> str:
    """The cookies of a session of this account and of its forms, as signing in leaves them."""
    browser, form = Client(), HttpRequest()
    browser.force_login(user)
    get_token(form)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={form.META['CSRF_COOKIE']}"


def show(clinic_id: UUID) -> None:
    """Row security shows this clinic to the whole session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, false)", [f"{{{clinic_id}}}"])
