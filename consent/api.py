"""Permissions for machines: where each purpose stands, and what a person said about one, with the evidence the desk needs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.api import ApiRequest, ApiView, KeysetPage, Operation, Said, Shown, checked
from clinics.scopes import ApiScope
from consent.choices import SPEAKERS, ExpressedBy, GivenThrough, Method, State
from consent.errors import NoticeMissing, NotWithdrawable
from consent.forms import DESK_METHODS, RecordForm
from consent.models import ConsentNotice
from consent.notices import LOCALES
from consent.queries import PurposeStanding, states_of
from consent.said import record_said
from consent.services import current_notices, withdraw_consent
from patients.queries import patient_for

PURPOSES = [purpose.value for purpose in Purpose]
PERMIT, DENY = "permit", "deny"  # FHIR R5 Consent.decision


class NoticeShown(serializers.Serializer[Any]):
    """The version of the notice that has to be shown before somebody agrees."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    locale = serializers.CharField()
    sha256 = serializers.CharField()


class ConsentShown(serializers.Serializer[Any]):
    """Where one purpose stands now."""

    purpose = serializers.ChoiceField(PURPOSES)
    status = serializers.ChoiceField(State.choices)
    permitted = serializers.BooleanField()
    needs_consent = serializers.BooleanField()
    withdrawable = serializers.BooleanField()
    decided_at = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    ask_again_on = serializers.DateField(allow_null=True)
    notices = NoticeShown(many=True)


class NewConsent(Said):
    """What the person said about one purpose. `notice` is the version they were shown, from the list of permissions."""

    purpose = serializers.ChoiceField(PURPOSES)
    decision = serializers.ChoiceField([PERMIT, DENY])
    notice = serializers.UUIDField()
    told = serializers.BooleanField(help_text="The notice was read by the person, or read to them.")
    method = serializers.ChoiceField([method.value for method in DESK_METHODS])
    expressed_by = serializers.ChoiceField([(one.value, one.label) for one in SPEAKERS], required=False)
    witness = serializers.CharField(
        max_length=60, required=False, help_text="Who heard it, or the number of the paper form."
    )
    code = serializers.CharField(max_length=12, required=False)
    brought_up_by_person = serializers.BooleanField(required=False)


class NewWithdrawal(Said):
    """How the person said it."""

    method = serializers.ChoiceField([Method.VERBAL_WITNESSED.value, Method.PAPER.value])


class Consents(ApiView):
    operations = {
        "GET": Operation(
            says="Where every purpose stands for one patient.",
            scope=ApiScope.CONSENTS_READ,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ConsentShown,
            many=True,
        ),
        "POST": Operation(
            says="Record what the person said about one purpose. A no to what stands agreed withdraws it.",
            scope=ApiScope.CONSENTS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewConsent,
            gives=ConsentShown,
            status=201,
            repeatable=True,
        ),
    }

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        patient, at = patient_for(request.actor, ids["patient_id"]), timezone.now()
        states = states_of(patient, at)
        notices = notices_of(request, states, at)
        return KeysetPage([shown_of(s, notices.get(p, [])) for p, s in states.items()], None)

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises NoticeMissing, NotWithdrawable, AskedTooSoon, GuardianNeeded, CodeWrong."""
        patient, at = patient_for(request.actor, ids["patient_id"]), timezone.now()
        purpose = Purpose(said["purpose"])
        standing = states_of(patient, at)[purpose]
        if not standing.rule.needs_consent:
            raise NotWithdrawable(purpose.value)
        shown = notices_of(request, {purpose: standing}, at).get(purpose, [])
        notice = next((one for one in shown if one.pk == said["notice"]), None)
        if notice is None:
            raise NoticeMissing(purpose.value)
        form = RecordForm(_form_data(request, said), asked=[standing])
        checked(form, **{f"yes_{purpose}": "decision", f"own_{purpose}": "brought_up_by_person"})
        if not form.answers():  # a fresh no that nobody brought up again
            raise ValidationError(
                {"brought_up_by_person": [_("They said no not long ago: only they may bring it up again.")]}
            )
        return record_said(patient, form, notices={purpose: notice}, by=request.actor, at=at)[0].pk

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return standing(request, ids["patient_id"], Purpose(said["purpose"]))


class Withdrawals(ApiView):
    operations = {
        "POST": Operation(
            says="The person takes a permission back. What rests on it stops before the answer.",
            scope=ApiScope.CONSENTS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewWithdrawal,
            gives=ConsentShown,
            repeatable=True,
        )
    }

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises NotWithdrawable, also for a purpose that is none."""
        patient = patient_for(request.actor, ids["patient_id"])
        withdraw_consent(
            patient,
            purpose_of(ids["purpose"]),
            by=request.actor,
            at=timezone.now(),
            given_through=GivenThrough.PAPER if said["method"] == Method.PAPER else GivenThrough.DESK,
            method=Method(said["method"]),
            idem_key=f"withdraw:{_own_token(request)}",
        )
        return None

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return standing(request, ids["patient_id"], purpose_of(ids["purpose"]))


def purpose_of(code: str) -> Purpose:
    try:
        return Purpose(code)
    except ValueError:
        raise NotWithdrawable("unknown") from None


def standing(request: ApiRequest, patient_id: UUID, purpose: Purpose) -> Shown[dict[str, Any]]:
    """Raises PatientNotFound."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    state = states_of(patient, at)[purpose]
    return Shown(thing=shown_of(state, notices_of(request, {purpose: state}, at).get(purpose, [])))


def notices_of(
    request: ApiRequest, states: Mapping[Purpose, PurposeStanding], at: datetime
) -> dict[Purpose, list[ConsentNotice]]:
    """The notices in force, in every language, of the purposes that people are asked about."""
    asked = [purpose for purpose, state in states.items() if state.offered and state.rule.needs_consent]
    found: dict[Purpose, list[ConsentNotice]] = {}
    for locale in LOCALES:
        for purpose, notice in current_notices(request.clinic, asked, locale, at).items():
            found.setdefault(purpose, []).append(notice)
    return found


def shown_of(state: PurposeStanding, notices: list[ConsentNotice]) -> dict[str, Any]:
    return {
        "purpose": state.rule.purpose.value,
        "status": state.state.value,
        "permitted": state.granted or not state.rule.needs_consent,
        "needs_consent": state.rule.needs_consent,
        "withdrawable": state.rule.withdrawable,
        "decided_at": state.decided_at,
        "valid_until": state.valid_until,
        "ask_again_on": state.ask_again_on,
        "notices": [
            {
                "id": notice.pk,
                "version": notice.version,
                "locale": notice.locale,
                "sha256": bytes(notice.body_sha256).hex(),
            }
            for notice in notices
        ],
    }


def _form_data(request: ApiRequest, said: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, as the desk's form has it."""
    purpose = said["purpose"]
    return {
        "form_token": str(_own_token(request)),
        "told": said["told"],
        "expressed_by": said.get("expressed_by", ExpressedBy.SELF.value),
        "method": said["method"],
        "witness": said.get("witness", ""),
        "code": said.get("code", ""),
        f"yes_{purpose}": said["decision"] == PERMIT,
        f"own_{purpose}": said.get("brought_up_by_person", False),
    }


def _own_token(request: ApiRequest) -> UUID:
    """One token of a form for one repeat key of one caller: the ledger refuses to write it twice as well."""
    return uuid5(request.clinic.pk, f"{request.actor.ref} {request.headers['Idempotency-Key']}")
