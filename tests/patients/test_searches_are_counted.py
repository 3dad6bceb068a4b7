"""Who copies a list of people by searching is stopped; who works at a desk never notices."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from clinics.models import CareTeam, Clinic, User
from patients.errors import SearchTooOften
from patients.services import count_search
from patients.services.searching import MOST_SEARCHES_A_MINUTE
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


def search_a_minute_long(actor: Actor) -> None:
    for _ in range(MOST_SEARCHES_A_MINUTE):
        count_search(actor, at=OPENED_AT)


def test_one_search_too_many_in_a_minute_is_refused_and_the_next_minute_begins_anew(nurse: Actor) -> None:
    search_a_minute_long(nurse)

    with pytest.raises(SearchTooOften):
        count_search(nurse, at=OPENED_AT + timedelta(seconds=59))
    count_search(nurse, at=OPENED_AT + timedelta(seconds=60))


def test_another_account_searches_on(clinic: Clinic, team: CareTeam, hire: Hire, nurse: Actor) -> None:
    search_a_minute_long(nurse)

    count_search(actor_for(hire(clinic, team), clinic), at=OPENED_AT)


def test_the_houses_own_jobs_are_not_counted(clinic: Clinic) -> None:
    search_a_minute_long(system_actor("import", clinic.pk))

    count_search(system_actor("import", clinic.pk), at=OPENED_AT)


def test_the_cache_does_not_tell_whose_searches_it_counts(
    nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    monkeypatch.setattr(cache, "add", lambda key, value, timeout: keys.append(key))
    monkeypatch.setattr(cache, "incr", lambda key: 1)

    count_search(nurse, at=OPENED_AT)

    assert len(keys) == 1
    assert str(nurse.user_id) not in keys[0]


@pytest.mark.parametrize("page", ["patients:search", "patients:check"])
def test_the_page_says_to_wait_and_the_log_keeps_the_denial(
    clinic: Clinic,
    nurse: Actor,
    nurse_account: User,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name="邓淑英")
    monkeypatch.setattr("patients.services.searching.MOST_SEARCHES_A_MINUTE", 0)
    client.force_login(nurse_account)

    answer = client.post(reverse(page), {"q": "淑英"})

    assert answer.status_code == 429
    assert str(SearchTooOften.message) in answer.content.decode()
    with acting(nurse):
        denial = AuditEvent.objects.get(action="access.denied")
        assert denial.reason == "SearchTooOften"
        assert not AuditEvent.objects.filter(action="access").exists()
