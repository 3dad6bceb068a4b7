"""What was said at the desk and stands in a valid form, written into the ledger: for the page, and for machines."""

from collections.abc import Mapping
from datetime import datetime

from audit.actors import Actor
from audit.purposes import Purpose
from consent.choices import SELF_RECIPIENT, ExpressedBy, GivenThrough, Method, StartedBy
from consent.codes import redeem_code
from consent.evidence import keep_evidence
from consent.forms import RecordForm
from consent.models import ConsentEvent, ConsentNotice
from consent.services import record_answers
from patients.models import Patient


def record_said(
    patient: Patient,
    form: RecordForm,
    *,
    notices: Mapping[Purpose, ConsentNotice],
    by: Actor,
    at: datetime,
    recipient: str = SELF_RECIPIENT,
) -> tuple[ConsentEvent, ...]:
    """Records every answer of the form, towards one recipient, or nothing. Raises CodeWrong, and what `record_consent` raises."""
    data = form.cleaned_data
    words = [word for word in (data["witness"], data.get("proof")) if word]
    if data["method"] == Method.OTP:
        words = [f"code {redeem_code(patient, data['code'], at).pk}"]
    file = data.get("file")
    return record_answers(
        patient,
        form.answers(),
        notices=notices,
        recipient=recipient,
        method=Method(data["method"]),
        expressed_by=ExpressedBy(data["expressed_by"]),
        given_through=GivenThrough.PAPER if data["method"] == Method.PAPER else GivenThrough.DESK,
        started_by={
            s.rule.purpose: StartedBy.PERSON if s.ask_again_on else StartedBy.CLINIC for s in form.asked
        },
        by=by,
        at=at,
        idem_key=str(data["form_token"]),
        evidence="; ".join(words) or None,
        evidence_file=keep_evidence(patient, file) if file else None,
    )
