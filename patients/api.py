"""Patients for machines: masked as on the pages, found by what is posted, opened as at the desk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid5

import django_filters
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.api import ApiRequest, ApiView, KeysetPage, Operation, Problem, Said, Shown, checked, version_of
from clinics.api.paging import cursor_of, limit_of, place_in, told
from clinics.api.versions import hold
from clinics.scopes import ApiScope
from crypto.errors import FieldNotAllowed
from crypto.reading import Unreadable, shown
from patients.choices import PhoneOwner, Sex, TwinReason
from patients.forms import ASKED_TWIN_REASONS, ContactForm, OpenCardForm, SearchForm
from patients.identity import mask_email, mask_id_number, mask_name, mask_phone
from patients.models import Patient
from patients.queries import (
    MatchedBy,
    Place,
    Twin,
    page_of_visible,
    patient_for,
    patient_of_form,
    possible_twins,
    search_patients,
)
from patients.queries.search import LONGEST_QUERY
from patients.services import change_contact, count_search, open_card

MASKS: Mapping[str, Callable[[str | None], str]] = {
    "name": mask_name,
    "phone": mask_phone,
    "email": mask_email,
    "id_number": mask_id_number,
}
LISTED = ("name", "phone")
NOT_PERMITTED, ERROR = "not-permitted", "error"  # FHIR's data-absent-reason


class SimilarPatients(Problem):
    """People in the actor's care look like the one whose card is to be opened."""

    status = HTTPStatus.CONFLICT
    message = _(
        "Similar people have cards. Look at them, or send twin_reason and say why this is somebody else."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedPatient:
    """A patient as a machine reads them. `data_absent_reason` says why a value is missing that the person may have."""

    id: UUID
    service_number: str
    gender: str
    birth_year: int | None
    opened_at: datetime
    phone_owner: str
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    id_number: str | None = None
    data_absent_reason: Mapping[str, str] = field(default_factory=dict)
    matched_by: str = ""


def masked(patient: Patient, parts: tuple[str, ...] = tuple(MASKS), matched_by: str = "") -> MaskedPatient:
    """Opens these parts and hides most of them; what the role may not see, or what does not open, is left out with a reason."""
    told_as: dict[str, str | None] = {}
    absent: dict[str, str] = {}
    for part in parts:
        try:
            value = shown(partial(patient.identity.read, part))
        except FieldNotAllowed:
            absent[part] = NOT_PERMITTED
            continue
        if isinstance(value, Unreadable):
            absent[part] = ERROR
        else:
            told_as[part] = MASKS[part](value) or None
    return MaskedPatient(
        id=patient.pk,
        service_number=patient.service_number,
        gender=patient.sex,
        birth_year=patient.birth_year,
        opened_at=patient.created_at,
        phone_owner=patient.phone_owner,
        data_absent_reason=absent,
        matched_by=matched_by,
        **told_as,
    )


class ListedPatient(serializers.Serializer[MaskedPatient]):
    """One line of a list: 张*芳, 138****1234."""

    id = serializers.UUIDField()
    service_number = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    gender = serializers.ChoiceField(Sex.choices)
    birth_year = serializers.IntegerField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    opened_at = serializers.DateTimeField()
    data_absent_reason = serializers.DictField(child=serializers.ChoiceField([NOT_PERMITTED, ERROR]))


class FoundPatient(ListedPatient):
    matched_by = serializers.ChoiceField([by.value for by in MatchedBy])


class ShownPatient(ListedPatient):
    """The head of a card, still masked."""

    phone_owner = serializers.ChoiceField(PhoneOwner.choices)
    email = serializers.CharField(allow_null=True)
    id_number = serializers.CharField(allow_null=True)


class NewCard(Said):
    """What the desk asks for when it opens a card: a name, and an ID number or a birth date with gender."""

    name = serializers.CharField(max_length=60)
    id_number = serializers.CharField(max_length=24, required=False)
    gender = serializers.ChoiceField(Sex.choices, required=False)
    birth_date = serializers.DateField(required=False)
    phone = serializers.CharField(max_length=32, required=False)
    phone_owner = serializers.ChoiceField(PhoneOwner.choices, required=False)
    email = serializers.CharField(max_length=120, required=False)
    twin_reason = serializers.ChoiceField(ASKED_TWIN_REASONS, required=False)


class NewContact(Said):
    """What changes; null takes it away."""

    phone = serializers.CharField(max_length=32, required=False, allow_null=True)
    phone_owner = serializers.ChoiceField(PhoneOwner.choices, required=False)
    email = serializers.CharField(max_length=120, required=False, allow_null=True)


class Question(Said):
    """What people say at the desk: a name, initials, a phone or its end, a card or service number."""

    q = serializers.CharField(max_length=LONGEST_QUERY)


class Found(serializers.Serializer[Any]):
    results = FoundPatient(many=True)


class PatientFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package is not typed
    """A list is read through rights, so it is narrowed by them: those of one care team of the caller's."""

    care_team = django_filters.UUIDFilter()


class Patients(ApiView):
    operations = {
        "GET": Operation(
            says="The patients in the caller's care, newest first.",
            scope=ApiScope.PATIENTS_READ,
            purpose=Purpose.CARE,
            kind=Kind.LISTED,
            gives=ListedPatient,
            many=True,
            filters=PatientFilters,
        ),
        "POST": Operation(
            says="Open a card. Similar people answer 409 until twin_reason says why this is somebody else.",
            scope=ApiScope.PATIENTS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewCard,
            gives=ShownPatient,
            status=201,
            repeatable=True,
            versioned=True,
        ),
    }

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        place = place_in(request)
        asked = self.filters(request, Patient.objects.none()).form.cleaned_data
        page = page_of_visible(
            request.actor,
            request.clinic.pk,
            after=Place(*place) if place else None,
            size=limit_of(request),
            through=asked["care_team"],
        )
        cursor = cursor_of(page.next.created_at, page.next.patient_id) if page.next else None
        return told(KeysetPage(page.patients, cursor), lambda patient: masked(patient, LISTED))

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises SimilarPatients."""
        names = {"gender": "sex"}
        # One form for one repeat key: where the key was forgotten, the card of that form is still found.
        token = uuid5(request.clinic.pk, f"{request.actor.ref} {request.headers['Idempotency-Key']}")
        typed = {names.get(name, name): value for name, value in said.items()}
        form = OpenCardForm({"phone_owner": PhoneOwner.SELF, **typed, "form_token": token})
        checked(form, sex="gender")
        if earlier := patient_of_form(request.clinic.pk, token):
            return earlier.pk
        twins = possible_twins(request.actor, request.clinic.pk, form.identity())
        if twins and not form.cleaned_data["twin_reason"]:
            raise SimilarPatients(similar=[_similar(twin) for twin in twins])
        return open_card(
            clinic=request.clinic,
            identity=form.identity(),
            by=request.actor,
            at=timezone.now(),
            form_token=token,
            twin_reason=TwinReason(form.cleaned_data["twin_reason"] or TwinReason.CHECK_LATER),
        ).pk

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[MaskedPatient]:
        return _shown(request, made or UUID(int=0))


class OnePatient(ApiView):
    operations = {
        "GET": Operation(
            says="The head of one card.",
            scope=ApiScope.PATIENTS_READ,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ShownPatient,
            versioned=True,
        ),
        "PATCH": Operation(
            says="Change phone and e-mail address.",
            scope=ApiScope.PATIENTS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewContact,
            gives=ShownPatient,
            versioned=True,
            held=True,
        ),
    }

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[MaskedPatient]:
        return _shown(request, ids["patient_id"])

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        patient = patient_for(request.actor, ids["patient_id"], lock=True)
        hold(request, version_of(Patient, patient.pk))
        # a form takes an empty text for nothing
        form = ContactForm({name: "" if value is None else value for name, value in said.items()})
        checked(form)
        changed = form.sent()
        owner = changed.get("phone_owner")
        contact: dict[str, str | None] = {
            name: changed[name] or None for name in changed if name != "phone_owner"
        }
        change_contact(patient, contact, phone_owner=PhoneOwner(owner) if owner else None, by=request.actor)
        return None


class PatientSearch(ApiView):
    operations = {
        "POST": Operation(
            says="Who is meant by what was typed; posted, so that no name stands in an address.",
            scope=ApiScope.PATIENTS_READ,
            purpose=Purpose.CARE,
            kind=Kind.LISTED,
            takes=Question,
            gives=Found,
        )
    }

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises SearchTooOften."""
        count_search(request.actor, at=timezone.now())
        return None

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[Mapping[str, Any]]:
        """Raises SearchTooShort."""
        asked = checked(SearchForm(dict(said)))["q"]
        matches = search_patients(request.actor, request.clinic.pk, asked)
        return Shown(thing={"results": [masked(m.patient, LISTED, matched_by=m.by.value) for m in matches]})


def _shown(request: ApiRequest, patient_id: UUID) -> Shown[MaskedPatient]:
    version = version_of(Patient, patient_id)
    patient = patient_for(request.actor, patient_id)
    return Shown(
        thing=masked(patient),
        version=version,
        address=reverse("api:patient", args=[patient.pk]),
    )


def _similar(twin: Twin) -> dict[str, Any]:
    return {
        "id": str(twin.patient.pk),
        "service_number": twin.patient.service_number,
        "same": sorted(sign.value for sign in twin.signs),
    }
