"""Entries of the log in plain words. A code nobody has words for stands as it is, so nothing is ever hidden by silence."""

from functools import cache
from typing import Final

from django.apps import apps
from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.alarms import AlarmDecision, Rule
from audit.purposes import Purpose
from audit.words import EVERYDAY, KINDS
from clinics.roles import Role
from consent.purposes import rule_of
from crypto.errors import ClinicError
from followups.choices import AttemptOutcome, CancelReason, Outcome
from patients.choices import GrantReason, RevealReason, TwinReason

DEEDS: Final[dict[str, Promise]] = {
    "absence.noted": gettext_lazy("noted that somebody is away"),
    "access.denied": gettext_lazy("asked for a page and was refused"),
    "account.closed": gettext_lazy("closed an account"),
    "account.code_sent": gettext_lazy("asked for a code to sign in"),
    "account.factors_taken": gettext_lazy("took somebody's second factors away"),
    "account.made": gettext_lazy("made an account"),
    "account.notice_address_changed": gettext_lazy("changed the address of notices"),
    "account.opened": gettext_lazy("opened an account"),
    "account.password_changed": gettext_lazy("changed the password"),
    "account.pin_removed": gettext_lazy("removed the PIN for a shared phone"),
    "account.pin_set": gettext_lazy("set the PIN for a shared phone"),
    "account.reading_chosen": gettext_lazy("chose how large the pages are"),
    "account.recovery_codes_made": gettext_lazy("made new recovery codes"),
    "account.reset_issued": gettext_lazy("let somebody set a new password"),
    "account.reset_used": gettext_lazy("set a new password"),
    "account.second_factor_added": gettext_lazy("added a second factor"),
    "account.second_factor_removed": gettext_lazy("removed the second factor"),
    "account.session_ended": gettext_lazy("ended a session"),
    "account.sessions_ended": gettext_lazy("ended every session of an account"),
    "account.sign_in_failed": gettext_lazy("failed to sign in"),
    "account.signed_in": gettext_lazy("signed in"),
    "account.signed_out": gettext_lazy("signed out"),
    "admin.added": gettext_lazy("added in Django admin"),
    "admin.changed": gettext_lazy("changed in Django admin"),
    "admin.deleted": gettext_lazy("deleted in Django admin"),
    "admin.rows_changed": gettext_lazy("changed rows in Django admin"),
    "alarm.decided": gettext_lazy("decided about an alarm"),
    "alarm.raised": gettext_lazy("raised an alarm"),
    "alarm.repeated": gettext_lazy("did again what an open alarm is about"),
    "alarm.told": gettext_lazy("wrote to those who decide about alarms"),
    "alarm_limits.changed": gettext_lazy("changed the limits of the alarms"),
    "alarms.listed": gettext_lazy("looked at the alarms"),
    "assessment.approved": gettext_lazy("approved an impact assessment"),
    "assessment.written": gettext_lazy("wrote an impact assessment"),
    "call.asked_for": gettext_lazy("had a call put through"),
    "card.closed": gettext_lazy("closed a card"),
    "card.opened": gettext_lazy("opened a card"),
    "care.begun": gettext_lazy("began to look after the person"),
    "care.called_off": gettext_lazy("called off care that had not begun"),
    "care.ended": gettext_lazy("ended looking after the person"),
    "care.left": gettext_lazy("ended the care and grants of whoever left"),
    "chart.closed_to": gettext_lazy("closed the chart to a colleague again"),
    "chart.opened_to": gettext_lazy("opened the chart to a colleague"),
    "check.asked": gettext_lazy("asked for a check of the log"),
    "check.finished": gettext_lazy("finished a check of the log"),
    "clinic.opened": gettext_lazy("opened a clinic"),
    "complaint.answered": gettext_lazy("answered a complaint"),
    "complaint.made": gettext_lazy("took down a complaint of the person"),
    "consent.code_sent": gettext_lazy("sent a code to confirm a permission"),
    "consent.code_used": gettext_lazy("confirmed a permission by code"),
    "consent.code_wrong": gettext_lazy("typed a wrong code"),
    "consent.evidence_kept": gettext_lazy("kept a signature or a scan"),
    "consent.expired": gettext_lazy("ended a permission whose term was over"),
    "consent.granted": gettext_lazy("recorded an agreement"),
    "consent.invalidated": gettext_lazy("declared a permission invalid"),
    "consent.invoked": gettext_lazy("used data in an emergency, without asking"),
    "consent.moved": gettext_lazy("brought the standing permissions up to date"),
    "consent.opted_out": gettext_lazy("ended messages by the link in one of them"),
    "consent.prepared": gettext_lazy("prepared the permissions of a card"),
    "consent.refused": gettext_lazy("recorded a no"),
    "consent.renewed": gettext_lazy("recorded a renewed agreement"),
    "consent.requested": gettext_lazy("asked for a permission"),
    "consent.superseded": gettext_lazy("replaced a permission by a new notice"),
    "consent.withdrawn": gettext_lazy("withdrew a permission"),
    "contact.changed": gettext_lazy("changed how to reach a person"),
    "correction.decided": gettext_lazy("decided about a correction the person asked for"),
    "data.asked_back": gettext_lazy("asked back what had been given out"),
    "data.given": gettext_lazy("gave data to a recipient"),
    "data.recalled": gettext_lazy("noted that what had been given out is gone"),
    "enrolment.ended": gettext_lazy("ended a pathway"),
    "enrolment.paused": gettext_lazy("paused a pathway"),
    "enrolment.resumed": gettext_lazy("resumed a pathway"),
    "enrolment.started": gettext_lazy("started a pathway"),
    "evidence.asked": gettext_lazy("asked for an evidence pack"),
    "evidence.exported": gettext_lazy("downloaded an evidence pack"),
    "files.released": gettext_lazy("took files out of the legal hold"),
    "follow_up.cancelled": gettext_lazy("cancelled a to-do"),
    "follow_up.done": gettext_lazy("closed a to-do"),
    "follow_up.note_replaced": gettext_lazy("replaced the note of a to-do"),
    "follow_up.opened": gettext_lazy("opened a to-do"),
    "follow_up.taken": gettext_lazy("took a to-do"),
    "follow_up.tried": gettext_lazy("tried a to-do"),
    "followup.handed_over": gettext_lazy("handed to-dos over"),
    "glass.broken": gettext_lazy("opened the chart in an emergency"),
    "glass.refused": gettext_lazy("asked for a chart in an emergency and was refused"),
    "glass.reviewed": gettext_lazy("reviewed an emergency opening"),
    "glass.told": gettext_lazy("noted that the person knows of an emergency"),
    "grants.called_off": gettext_lazy("called off grants that had not begun"),
    "hold.made": gettext_lazy("made the keys of the legal hold"),
    "hold.released": gettext_lazy("lifted a legal hold"),
    "identity.corrected": gettext_lazy("corrected who the person is, as they asked"),
    "import.discarded": gettext_lazy("put an uploaded file aside"),
    "import.tried": gettext_lazy("tried an uploaded file"),
    "import.written": gettext_lazy("wrote an uploaded file"),
    "index.rebuilt": gettext_lazy("rebuilt the search index"),
    "integration.ended": gettext_lazy("ended a connection of another program"),
    "integration.made": gettext_lazy("let another program connect"),
    "keys.copied": gettext_lazy("copied the tables of keys"),
    "keys.destroyed": gettext_lazy("destroyed keys"),
    "keys.epoch_started": gettext_lazy("began a key period"),
    "keys.made": gettext_lazy("made keys"),
    "keys.resealed": gettext_lazy("sealed values again"),
    "keys.restored": gettext_lazy("restored keys from a copy"),
    "keys.rewrapped": gettext_lazy("wrapped keys again"),
    "log.exported": gettext_lazy("exported the log"),
    "log.listed": gettext_lazy("read the log as a program"),
    "log.proof_taken": gettext_lazy("downloaded the proof of an entry"),
    "log.viewed": gettext_lazy("read the log"),
    "message.cancelled": gettext_lazy("cancelled a message"),
    "message.failed": gettext_lazy("could not send a message"),
    "message.planned": gettext_lazy("planned a message"),
    "message.queued": gettext_lazy("put a message in the outbox"),
    "message.sent": gettext_lazy("sent a message"),
    "message.started": gettext_lazy("began to send a message"),
    "message.waits": gettext_lazy("put a message back to wait"),
    "name.asked": gettext_lazy("asked who had looked"),
    "notice.published": gettext_lazy("published a notice"),
    "names_told.changed": gettext_lazy("changed whether people are told names"),
    "panel.moved": gettext_lazy("handed patients over"),
    "patient.erased": gettext_lazy("erased a person"),
    "patient.lifted": gettext_lazy("ended the restriction of a person's data"),
    "patient.restricted": gettext_lazy("restricted a person's data"),
    "patient.unwatched": gettext_lazy("ended the watching of a chart"),
    "patient.watched": gettext_lazy("had a chart watched"),
    "preservation.begun": gettext_lazy("had a record preserved"),
    "preservation.ended": gettext_lazy("ended the preserving of a record"),
    "portal.access_ended": gettext_lazy("closed a chart's portal to somebody"),
    "portal.access_given": gettext_lazy("opened the portal to a person"),
    "portal.invitation_confirmed": gettext_lazy("confirmed that a person with a link to the portal is there"),
    "portal.invitation_missed": gettext_lazy("typed a wrong birth date at a link to the portal"),
    "portal.invitation_used": gettext_lazy("came to the portal by a link"),
    "portal.invitations_ended": gettext_lazy("ended earlier links to the portal"),
    "portal.invitations_forgotten": gettext_lazy("cleared links to the portal that were over"),
    "portal.invited": gettext_lazy("made a link to the portal"),
    "recipient.added": gettext_lazy("put a recipient on the register"),
    "recipient.cut_off": gettext_lazy("cut a recipient off"),
    "recipient.reviewed": gettext_lazy("reviewed a recipient"),
    "report.filed": gettext_lazy("filed a report"),
    "request.done": gettext_lazy("did what the person asked for"),
    "request.received": gettext_lazy("took down a request of the person"),
    "request.refused": gettext_lazy("answered a request with a no and its reason"),
    "request.taken_back": gettext_lazy("took a request back"),
    "request.verified": gettext_lazy("checked who asks"),
    "results.filed": gettext_lazy("filed results"),
    "role.given": gettext_lazy("gave a role"),
    "staff.left": gettext_lazy("ended somebody's work in the clinic"),
    "tag.ended": gettext_lazy("took a tag away"),
    "tag.set": gettext_lazy("set a tag"),
    "team.dissolved": gettext_lazy("dissolved a care team"),
    "team.joined": gettext_lazy("put somebody in a care team"),
    "team.left": gettext_lazy("took somebody out of a care team"),
    "team.opened": gettext_lazy("opened a care team"),
    "token.ended": gettext_lazy("ended an access token"),
    "token.made": gettext_lazy("made an access token"),
    "twin.put_aside": gettext_lazy("decided about a similar patient"),
}
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)
_REASONS: tuple[type[TextChoices], ...] = (
    Rule, AlarmDecision, RevealReason, Outcome, CancelReason, AttemptOutcome, GrantReason, TwinReason,
)  # fmt: skip


def deed_in_words(action: str, kind: str) -> str:
    """What somebody did: of an opening its kind, else the action."""
    words = KINDS.get(kind) if action == "access" else DEEDS.get(action) or EVERYDAY.get(action)
    return str(words or action)


def thing_in_words(label: str) -> str:
    """What a record is called: “card” for patients.card. Of a page or a job, nothing."""
    model = _models().get(label)
    return str(model) if model else ""


def purpose_in_words(code: str) -> str:
    return str(rule_of(Purpose(code)).name) if code in _PURPOSES else code


def role_in_words(code: str) -> str:
    return str(Role(code).label) if code in Role.values else code


def reason_in_words(code: str) -> str:
    """A code of why; of a refusal, the sentence its reader saw."""
    return str(_reasons().get(code) or _refusals().get(code) or code)


@cache
def _models() -> dict[str, Promise | str]:
    return {model._meta.label_lower: model._meta.verbose_name or "" for model in apps.get_models()}


@cache
def _reasons() -> dict[str, Promise | str]:
    return {member.value: member.label for choices in reversed(_REASONS) for member in choices}


@cache
def _refusals() -> dict[str, Promise | str]:
    found, waiting = dict[str, Promise | str](), [ClinicError]
    while waiting:
        error = waiting.pop()
        found[error.__name__] = error.message
        waiting += error.__subclasses__()
    return found


def job_in_words(name: str) -> str:
    return _("the system (%(job)s)") % {"job": name}
