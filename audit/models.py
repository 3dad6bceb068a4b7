"""The log as tables, which the application may only INSERT into and SELECT from; and alarms, which wait for a decision."""

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from auditlog.models import AbstractLogEntry, LogEntryManager
from django.conf import settings
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from crypto.fields import Scope, SealedText
from crypto.ids import uuid7
from crypto.managers import SealedManager
from crypto.models import SealedModel

if TYPE_CHECKING:
    from audit.events import Written

SYSTEM_LOG = UUID(int=0)


class AuditEventManager(LogEntryManager):  # type: ignore[misc]  # the package is not typed
    """auditlog's manager, writing through `audit.services` so that every entry is canonical and has its code."""

    def log_create(self, instance: models.Model, force_log: bool = False, **kwargs: Any) -> "Written | None":
        from audit.services import record

        if kwargs.get("changes") is None and not force_log:
            return None
        subject_id = getattr(instance, "subject_id", None)
        return record(
            kwargs["action"],
            object=instance,
            fields=kwargs.get("changes") or {},
            subjects=[subject_id] if isinstance(subject_id, UUID) else [],
        )


class AuditEvent(AbstractLogEntry):  # type: ignore[misc]  # the package is not typed
    """Who did or opened what, when and why. `canon` is what is hashed; every other column is a copy of a part of it.

    `log_id` is the clinic whose log this belongs to, or SYSTEM_LOG. Ids only: a subject is a patient's subject id,
    an actor a reference, so an erased person leaves no name here.
    """

    class Action:
        CREATE = "create"
        UPDATE = "update"
        DELETE = "delete"
        ACCESS = "access"
        choices = (
            ("create", _("created")),
            ("update", _("changed")),
            ("delete", _("deleted")),
            ("access", _("opened")),
        )

    uid = models.UUIDField(primary_key=True, editable=False)
    log_id = models.UUIDField()
    clinic_id = models.UUIDField(null=True)
    txid = models.BigIntegerField(editable=False)
    timestamp = models.DateTimeField(_("time"))
    source = models.CharField(max_length=8)
    request_id = models.CharField(max_length=64)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, db_constraint=False, db_index=False, null=True, blank=True,
        related_name="+", verbose_name=_("account"),
    )  # fmt: skip
    actor_ref = models.CharField(_("who"), max_length=128)
    actor_kind = models.CharField(max_length=16)
    on_behalf_of = models.CharField(max_length=128)
    remote_addr = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(_("what"), max_length=64)
    kind = models.CharField(_("kind of opening"), max_length=16)
    content_type = models.ForeignKey(
        "contenttypes.ContentType",
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
    )
    object_pk = models.CharField(max_length=255)
    purpose = models.CharField(_("purpose"), max_length=16)
    consent_decision = models.UUIDField(null=True)
    relation = models.CharField(max_length=16)
    vip = models.BooleanField(default=False)
    count = models.IntegerField(null=True)
    result = models.CharField(max_length=64)
    reason = models.CharField(max_length=64)
    changes = models.JSONField(null=True)
    wrote = models.JSONField(null=True)
    canon = models.BinaryField()
    mac = models.BinaryField()

    object_id = None
    object_repr = None
    serialized_data = None
    changes_text = None
    cid = None
    remote_port = None
    additional_data = None
    actor_email = None

    objects: ClassVar[AuditEventManager] = AuditEventManager()

    class Meta:
        db_table = "audit_event"
        verbose_name = _("log entry")
        verbose_name_plural = _("log entries")
        ordering = ["-uid"]
        get_latest_by = "uid"
        indexes = [
            models.Index(fields=["txid", "uid"], name="audit_event_txid"),
            models.Index(fields=["clinic_id", "actor_ref", "uid"], name="audit_event_actor"),
            HashIndex(fields=["object_pk"], condition=~models.Q(object_pk=""), name="audit_event_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("events are written by audit.services.record and never change")


class EventSubject(models.Model):
    """Whose record an event concerns: "who looked at my record" reads from here. The sorted list is inside `canon`."""

    pk = models.CompositePrimaryKey("subject_id", "event_uid")
    subject_id = models.UUIDField()
    event_uid = models.UUIDField()
    log_id = models.UUIDField()

    class Meta:
        db_table = "audit_event_subject"
        verbose_name = _("person concerned")
        verbose_name_plural = _("persons concerned")
        indexes = [models.Index(fields=["event_uid", "subject_id"], name="audit_event_subject_event")]

    def __str__(self) -> str:
        return f"{self.subject_id} in {self.event_uid}"


class RowChange(models.Model):
    """One statement that changed rows of a watched table, written by the table's trigger whoever ran it.

    `canon` holds at most 500 rows (key, changed columns, digests before and after) and a digest over all of them.
    """

    uid = models.UUIDField(primary_key=True, editable=False)
    log_id = models.UUIDField()
    txid = models.BigIntegerField()
    timestamp = models.DateTimeField()
    actor_ref = models.TextField()
    tbl = models.TextField()
    op = models.TextField()
    row_count = models.IntegerField()
    canon = models.BinaryField()

    class Meta:
        db_table = "audit_row_change"
        verbose_name = _("row change")
        verbose_name_plural = _("row changes")
        indexes = [models.Index(fields=["txid", "uid"], name="audit_row_change_txid")]

    def __str__(self) -> str:
        return f"{self.op} {self.tbl} ({self.row_count})"


class Leaf(models.Model):
    """The place of one entry in its log. `source`: e an event, r a row change, c the closing checkpoint of last year."""

    pk = models.CompositePrimaryKey("log_id", "year", "leaf_index")
    log_id = models.UUIDField()
    year = models.SmallIntegerField()
    leaf_index = models.BigIntegerField()
    uid = models.UUIDField(unique=True)
    source = models.CharField(max_length=1)
    leaf_hash = models.BinaryField()

    class Meta:
        db_table = "audit_leaf"
        verbose_name = _("sealed entry")
        verbose_name_plural = _("sealed entries")

    def __str__(self) -> str:
        return f"{self.leaf_index} {self.uid}"


class Node(models.Model):
    """The root of 256 ** level complete leaves, kept so that a proof reads hundreds of hashes and not millions."""

    pk = models.CompositePrimaryKey("log_id", "year", "hashing", "level", "place")
    log_id = models.UUIDField()
    year = models.SmallIntegerField()
    hashing = models.CharField(max_length=6, default="sha256")
    level = models.SmallIntegerField()
    place = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        db_table = "audit_node"
        verbose_name = _("subtree")
        verbose_name_plural = _("subtrees")

    def __str__(self) -> str:
        return f"{self.level}/{self.place}"


class Checkpoint(models.Model):
    """A signed note (C2SP tlog-checkpoint): at `size` entries the log had this root."""

    pk = models.CompositePrimaryKey("log_id", "year", "hashing", "size")
    log_id = models.UUIDField()
    year = models.SmallIntegerField()
    hashing = models.CharField(max_length=6, default="sha256")
    size = models.BigIntegerField()
    root = models.BinaryField()
    note = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "audit_checkpoint"
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")

    def __str__(self) -> str:
        return f"{self.log_id}/{self.year} {self.size}"


class Cosignature(models.Model):
    """What a witness signed: it saw this checkpoint, and it continues all it saw before."""

    pk = models.CompositePrimaryKey("log_id", "year", "hashing", "size", "witness")
    log_id = models.UUIDField()
    year = models.SmallIntegerField()
    hashing = models.CharField(max_length=6, default="sha256")
    size = models.BigIntegerField()
    witness = models.TextField()
    line = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "audit_cosig"
        verbose_name = _("cosignature")
        verbose_name_plural = _("cosignatures")

    def __str__(self) -> str:
        return f"{self.witness} {self.log_id}/{self.year} {self.size}"


class Timestamp(models.Model):
    """A time stamp token (RFC 3161, DER) over a checkpoint's note: when an authority that nobody here controls saw it."""

    pk = models.CompositePrimaryKey("log_id", "year", "hashing", "size")
    log_id = models.UUIDField()
    year = models.SmallIntegerField()
    hashing = models.CharField(max_length=6, default="sha256")
    size = models.BigIntegerField()
    authority = models.TextField()
    token = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "audit_timestamp"
        verbose_name = _("time stamp")
        verbose_name_plural = _("time stamps")

    def __str__(self) -> str:
        return f"{self.log_id}/{self.year} {self.size}"


class Check(models.Model):
    """One reading of a whole log that somebody asked for: how far it has come, and what did not fit.

    `findings` are sentences that name rows and places, at most as many as a page can show; `problems` counts all of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    log_id = models.UUIDField()
    asked_by = models.CharField(_("who asked"), max_length=128)
    started_at = models.DateTimeField(_("asked at"))
    moved_at = models.DateTimeField(_("last sign of life"), null=True)
    done = models.BigIntegerField(_("entries read"), default=0)
    total = models.BigIntegerField(_("entries to read"), default=0)
    problems = models.PositiveIntegerField(_("problems found"), default=0)
    findings = models.JSONField(_("findings"), default=list)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        db_table = "audit_check"
        verbose_name = _("check of the log")
        verbose_name_plural = _("checks of the log")
        constraints = [
            models.UniqueConstraint(
                name="audit_check_one_at_a_time", fields=["log_id"], condition=models.Q(finished_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"{self.log_id} {self.done}/{self.total}"


class Rule(models.TextChoices):
    """What raises an alarm. `audit.rules` says when a person's looks do, `audit.watch` when the log itself does."""

    SEAL_BROKEN = "seal.broken", _("A protected value cannot be read")
    DECOY_OPENED = "decoy.opened", _("A decoy was opened")
    UNATTRIBUTED = "change.unattributed", _("Rows were changed and no event says by whom or why")
    VERIFICATION_FAILED = "check.failed", _("The log is not what it was")
    MANY_OPENED = "opened.many", _("Many patients opened in a short time")
    ODD_HOURS = "opened.closed", _("Patients opened while the clinic is closed")
    OUTSIDE_CARE = "opened.outside_care", _("A patient opened by somebody who has no part in their care")
    VIP_OPENED = "opened.vip", _("A colleague or well-known person opened")
    BREAK_GLASS = "opened.break_glass", _("A chart opened in an emergency")
    LARGE_EXPORT = "export.large", _("Data of many people left the system")
    DENIALS = "access.denials", _("Refused again and again")
    SIGN_INS_FAILED = "sign_in.failures", _("Signing in failed again and again")
    LIMITS_LOOSENED = "limits.loosened", _("The limits of the alarms were loosened")
    SEALING_LATE = "log.unsealed", _("The log has not been sealed for a while")
    WITNESS_SILENT = "witness.silent", _("The witness is silent")
    PARTITIONS_MISSING = "log.no_room", _("The log has no room for next month")
    REQUEST_OVERDUE = "request.overdue", _("A person has waited thirty days for an answer")


class AlarmDecision(models.TextChoices):
    """What a person found out about an alarm."""

    CONFIRMED = "confirmed", _("Confirmed: this should not have happened")
    REPAIRED = "repaired", _("Repaired: the cause is gone")
    HARMLESS = "harmless", _("Harmless: there is a good reason")


class Alarm(models.Model):
    """Something that a person has to decide about. While it is open the same thing again only counts.

    `object_type` and `object_id` name what it is about: a field and its row, a table of keys and the key; of a decoy how it was
    opened and by whom, of a rule over a stretch of time its window and the account. `actor_ref` is the account it is about, or
    whoever came upon it first; `event_uid` the event that raised it, where there is one. A rule with a limit says what was
    `measured`, what was `allowed`, and `since` when it counted. An alarm of the system's log has SYSTEM_LOG for its clinic.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic_id = models.UUIDField()
    rule = models.CharField(_("what happened"), max_length=32, choices=Rule.choices)
    actor_ref = models.CharField(_("who"), max_length=128)
    subject_id = models.UUIDField(null=True)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=128)
    event_uid = models.UUIDField(null=True)
    measured = models.PositiveIntegerField(_("how many"), null=True)
    allowed = models.PositiveIntegerField(_("allowed"), null=True)
    since = models.DateTimeField(_("counted since"), null=True)
    count = models.PositiveIntegerField(_("how often"), default=1)
    raised_at = models.DateTimeField(_("first at"))
    last_at = models.DateTimeField(_("last at"))
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.CharField(_("decided by"), max_length=128, blank=True)
    decision = models.CharField(_("decision"), max_length=16, choices=AlarmDecision.choices, blank=True)
    note = models.ForeignKey(
        "audit.AlarmNote",
        models.PROTECT,
        null=True,
        db_index=False,
        related_name="alarms",
        verbose_name=_("reason"),
    )

    class Meta:
        db_table = "audit_alarm"
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        indexes = [
            models.Index(fields=["clinic_id", "-last_at", "-id"], name="audit_alarm_newest"),
            models.Index(fields=["clinic_id", "rule", "actor_ref", "-last_at"], name="audit_alarm_about"),
        ]
        constraints = [
            models.UniqueConstraint(
                name="audit_alarm_open_once",
                fields=["clinic_id", "rule", "object_type", "object_id", "subject_id"],
                condition=models.Q(decided_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(name="audit_alarm_rule_known", condition=models.Q(rule__in=Rule.values)),
            models.CheckConstraint(
                name="audit_alarm_decided_by_somebody",
                condition=models.Q(decided_at=None, decided_by="", decision="")
                | models.Q(decided_at__isnull=False, decision__in=AlarmDecision.values)
                & ~models.Q(decided_by=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.id}"


class AlarmNote(SealedModel):
    """Why somebody decided about alarms as they did, in their words: sealed, a subject of its own.

    Its key is destroyed with those of any person the alarms are about.
    """

    clinic_id = models.UUIDField()
    text = SealedText(_("reason"), aad_name="alarm_note.text", scope=Scope.RECORD, field_set="log")

    objects: ClassVar[SealedManager["AlarmNote"]] = SealedManager()

    class Meta:
        db_table = "audit_alarm_note"
        verbose_name = _("reason of a decision")
        verbose_name_plural = _("reasons of decisions")
        base_manager_name = "objects"

    def __str__(self) -> str:
        return str(self.pk)


class AlarmLimits(models.Model):
    """One version of what a clinic's rules measure by. The newest holds; none is ever changed. `audit.limits` reads them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic_id = models.UUIDField()
    version = models.PositiveIntegerField(_("version"))
    limits = models.JSONField(_("limits"))
    changed_at = models.DateTimeField(_("changed at"))
    changed_by = models.CharField(_("changed by"), max_length=128)

    class Meta:
        db_table = "audit_alarm_limits"
        verbose_name = _("limits of the alarms")
        verbose_name_plural = _("limits of the alarms")
        constraints = [
            models.UniqueConstraint(name="audit_alarm_limits_version", fields=["clinic_id", "version"])
        ]

    def __str__(self) -> str:
        return f"{self.clinic_id} v{self.version}"


class NamesTold(models.TextChoices):
    """When a person is told the name of who looked at their record."""

    AT_ONCE = "at_once", _("Every look says the name")
    ON_REQUEST = "on_request", _("The name is said when the person asks for it")
    BY_OFFICER = "by_officer", _("Names are said by the privacy officer alone")


class NamesToldVersion(models.Model):
    """One version of what a clinic tells people of names. The newest holds; none is ever changed. `audit.names` reads them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic_id = models.UUIDField()
    version = models.PositiveIntegerField(_("version"))
    names = models.CharField(_("names of who looked"), max_length=16, choices=NamesTold.choices)
    changed_at = models.DateTimeField(_("changed at"))
    changed_by = models.CharField(_("changed by"), max_length=128)

    class Meta:
        db_table = "audit_names_told"
        verbose_name = _("telling of names")
        verbose_name_plural = _("telling of names")
        constraints = [
            models.UniqueConstraint(name="audit_names_told_version", fields=["clinic_id", "version"]),
            models.CheckConstraint(
                name="audit_names_told_known", condition=models.Q(names__in=NamesTold.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.clinic_id} v{self.version}"


class AlarmWatch(models.Model):
    """How far the events of one log have been judged: below this transaction, of this database cluster; and when last."""

    log_id = models.UUIDField(primary_key=True)
    done_below = models.BigIntegerField()
    cluster = models.TextField()
    ran_at = models.DateTimeField()

    class Meta:
        db_table = "audit_alarm_watch"
        verbose_name = _("place of the watch")
        verbose_name_plural = _("places of the watch")

    def __str__(self) -> str:
        return f"{self.log_id} below {self.done_below}"


class UntoldAlarm(models.Model):
    """An alarm that stands in no letter yet: written with the alarm, taken when the next letter is made."""

    alarm_id = models.UUIDField(primary_key=True)
    clinic_id = models.UUIDField()

    class Meta:
        db_table = "audit_alarm_untold"
        verbose_name = _("alarm nobody was told of yet")
        verbose_name_plural = _("alarms nobody was told of yet")

    def __str__(self) -> str:
        return str(self.alarm_id)


class AlarmLetter(models.Model):
    """One letter to those who decide about a log's alarms: which alarms it tells of, whom it has reached.

    `told` are accounts. It is tried again until it has reached everybody, or `tries` are used up.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic_id = models.UUIDField()
    alarms = models.JSONField(_("alarms"))
    made_at = models.DateTimeField(_("made at"))
    not_before = models.DateTimeField(_("not before"))
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    told = models.JSONField(_("told"), default=list)
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        db_table = "audit_alarm_letter"
        verbose_name = _("letter about alarms")
        verbose_name_plural = _("letters about alarms")
        indexes = [
            models.Index(
                fields=["clinic_id", "not_before"],
                name="audit_alarm_letter_open",
                condition=models.Q(ended_at=None),
            ),
            models.Index(fields=["clinic_id", "-made_at"], name="audit_alarm_letter_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({len(self.alarms)})"


class Decoy(models.Model):
    """One decoy patient, as a keyed mark of their subject: without the clinic's index secret it says nothing of whom it marks."""

    pk = models.CompositePrimaryKey("clinic_id", "key_ver", "mark")
    clinic_id = models.UUIDField()
    key_ver = models.SmallIntegerField()
    mark = models.BinaryField(max_length=16)

    class Meta:
        db_table = "audit_decoy"
        verbose_name = _("mark of a decoy")
        verbose_name_plural = _("marks of decoys")

    def __str__(self) -> str:
        return f"{self.clinic_id} v{self.key_ver}"
