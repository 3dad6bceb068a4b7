"""Whoever cares for a person sees what they asked for, checks who asks, decides with a reason; a colleague elsewhere finds nothing."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from clinics.models import Clinic, User
from consent.choices import GivenThrough, RefusalReason, RequestKind, RequestState
from consent.models import PersonRequest
from consent.requests import ask
from patients.models import Patient
from tests.consent.conftest import Hire
from tests.laid_out import laid_out

LIST = "/requests/"


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


@laid_out
def correction(patient: Patient, nurse: Actor) -> PersonRequest:
    """Asked on paper: that the name is written differently."""
    with acting(nurse):
        return ask(
            patient,
            RequestKind.CORRECT,
            asked_through=GivenThrough.PAPER,
            corrections={"name": "邓淑瑛"},
            by=nurse,
            at=timezone.now(),
        )


def do(desk: Client, asked: PersonRequest, deed: str, **typed: Any) -> int:
    return desk.post(reverse("consent:request", args=[asked.pk]), {"deed": deed, **typed}).status_code


def now(asked: PersonRequest, nurse: Actor) -> PersonRequest:
    with acting(nurse):
        return PersonRequest.objects.defer("words", "answer").get(pk=asked.pk)


def test_who_asks_is_seen_before_anything_is_done_and_then_the_name_is_corrected(
    desk: Client, correction: PersonRequest, patient: Patient, nurse: Actor
) -> None:
    page = desk.get(reverse("consent:request", args=[correction.pk]))
    field = page.context["corrections"][0].pk
    assert do(desk, correction, "accept", correction=field) == 200  # nobody knows yet who asks
    assert do(desk, correction, "papers") == 302
    assert do(desk, correction, "done", answer="改好了。") == 200  # the field waits for its decision
    assert do(desk, correction, "accept", correction=field) == 302
    assert do(desk, correction, "done", answer="改好了。") == 302

    assert now(correction, nurse).state == RequestState.DONE
    assert "瑛" in desk.get(reverse("desk:chart", args=[patient.pk])).content.decode()


def test_a_no_needs_its_reason_and_its_words(desk: Client, correction: PersonRequest, nurse: Actor) -> None:
    assert do(desk, correction, "refuse", answer="不改") == 200
    assert do(desk, correction, "refuse", reason=RefusalReason.NOT_WRONG) == 200
    assert do(desk, correction, "refuse", reason=RefusalReason.NOT_WRONG, answer="和身份证一致。") == 302

    assert now(correction, nurse).refusal == RefusalReason.NOT_WRONG
    assert do(desk, correction, "papers") == 409  # answered already


def test_the_list_shows_the_readers_patients_and_nobody_elses(
    desk: Client, correction: PersonRequest, hire: Hire, clinic: Clinic
) -> None:
    assert [row[0].pk for row in desk.get(LIST).context["rows"]] == [correction.pk]
    stranger = Client()
    stranger.force_login(hire(clinic))
    assert stranger.get(LIST).context["rows"] == []
    pages = [stranger.get(reverse("consent:request", args=[pk])) for pk in (correction.pk, uuid4())]
    assert [page.status_code for page in pages] == [404, 404]
    assert do(stranger, correction, "refuse", reason=RefusalReason.HARM, answer="不") == 404


def test_a_field_of_another_request_is_not_decided_here(desk: Client, correction: PersonRequest) -> None:
    do(desk, correction, "papers")

    assert do(desk, correction, "accept", correction=uuid4()) == 404
    assert do(desk, correction, "everything") == 200
