"""Rules over time, their limits, decisions with a reason, and letters to those who decide."""

import django.db.models.deletion
from django.db import migrations, models

import crypto.fields
import crypto.ids

# What an alarm is about never changes. An alarm of the installation's log is seen and decided in every clinic of it. Limits are
# versions: none is changed. The place of the watch and the letters say nothing of a patient, and are no evidence.
RIGHTS = """
SELECT zhizhi_clinic_only('audit_alarm_note');
SELECT crypto_sealed_row('audit_alarm_note');
SELECT audit_watch('audit_alarm_note');
SELECT zhizhi_clinic_only('audit_alarm_limits');
SELECT audit_append_only('audit_alarm_limits');
SELECT audit_watch('audit_alarm_limits');
SELECT audit_watch('audit_alarm');
SELECT zhizhi_clinic_only('audit_alarm_untold');
SELECT zhizhi_clinic_only('audit_alarm_letter');
CREATE POLICY installation ON audit_alarm TO zhizhi_app USING (clinic_id = '00000000-0000-0000-0000-000000000000');
ALTER TABLE audit_alarm_watch ENABLE ROW LEVEL SECURITY;
CREATE POLICY clinic ON audit_alarm_watch TO zhizhi_app
  USING (log_id = ANY (NULLIF(current_setting('zhizhi.clinics', true), '')::uuid[]));
REVOKE ALL ON audit_alarm_note, audit_alarm_limits, audit_alarm_watch, audit_alarm_untold, audit_alarm_letter FROM zhizhi_app;
GRANT UPDATE (measured, note_id) ON audit_alarm TO zhizhi_app;
GRANT SELECT, INSERT, UPDATE (text) ON audit_alarm_note TO zhizhi_app;
GRANT SELECT, INSERT ON audit_alarm_limits TO zhizhi_app;
GRANT SELECT, INSERT, UPDATE (done_below, cluster, ran_at) ON audit_alarm_watch TO zhizhi_app;
GRANT SELECT, INSERT, DELETE ON audit_alarm_untold TO zhizhi_app;
GRANT SELECT, INSERT, UPDATE (not_before, tries, told, ended_at) ON audit_alarm_letter TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0008_trees"),
        ("crypto", "0004_destroyed_for_good"),
        ("dbroles", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlarmLetter",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                ("alarms", models.JSONField(verbose_name="alarms")),
                ("made_at", models.DateTimeField(verbose_name="made at")),
                ("not_before", models.DateTimeField(verbose_name="not before")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                ("told", models.JSONField(default=list, verbose_name="told")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended at")),
            ],
            options={
                "verbose_name": "letter about alarms",
                "verbose_name_plural": "letters about alarms",
                "db_table": "audit_alarm_letter",
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["clinic_id", "not_before"],
                        name="audit_alarm_letter_open",
                    ),
                    models.Index(fields=["clinic_id", "-made_at"], name="audit_alarm_letter_newest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AlarmLimits",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                ("limits", models.JSONField(verbose_name="limits")),
                ("changed_at", models.DateTimeField(verbose_name="changed at")),
                ("changed_by", models.CharField(max_length=128, verbose_name="changed by")),
            ],
            options={
                "verbose_name": "limits of the alarms",
                "verbose_name_plural": "limits of the alarms",
                "db_table": "audit_alarm_limits",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("clinic_id", "version"), name="audit_alarm_limits_version"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AlarmNote",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(editable=False)),
                ("sealed_by_clinic", models.UUIDField(editable=False)),
                ("clinic_id", models.UUIDField()),
                (
                    "text",
                    crypto.fields.SealedText(
                        aad_name="alarm_note.text", field_set="log", scope=2, verbose_name="reason"
                    ),
                ),
            ],
            options={
                "verbose_name": "reason of a decision",
                "verbose_name_plural": "reasons of decisions",
                "db_table": "audit_alarm_note",
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="AlarmWatch",
            fields=[
                ("log_id", models.UUIDField(primary_key=True, serialize=False)),
                ("done_below", models.BigIntegerField()),
                ("cluster", models.TextField()),
                ("ran_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "place of the watch",
                "verbose_name_plural": "places of the watch",
                "db_table": "audit_alarm_watch",
            },
        ),
        migrations.CreateModel(
            name="UntoldAlarm",
            fields=[
                ("alarm_id", models.UUIDField(primary_key=True, serialize=False)),
                ("clinic_id", models.UUIDField()),
            ],
            options={
                "verbose_name": "alarm nobody was told of yet",
                "verbose_name_plural": "alarms nobody was told of yet",
                "db_table": "audit_alarm_untold",
            },
        ),
        migrations.RemoveConstraint(
            model_name="alarm",
            name="audit_alarm_rule_known",
        ),
        migrations.AddField(
            model_name="alarm",
            name="allowed",
            field=models.PositiveIntegerField(null=True, verbose_name="allowed"),
        ),
        migrations.AddField(
            model_name="alarm",
            name="measured",
            field=models.PositiveIntegerField(null=True, verbose_name="how many"),
        ),
        migrations.AddField(
            model_name="alarm",
            name="since",
            field=models.DateTimeField(null=True, verbose_name="counted since"),
        ),
        migrations.AlterField(
            model_name="alarm",
            name="rule",
            field=models.CharField(
                choices=[
                    ("seal.broken", "A protected value cannot be read"),
                    ("decoy.opened", "A decoy was opened"),
                    ("change.unattributed", "Rows were changed and no event says by whom or why"),
                    ("check.failed", "The log is not what it was"),
                    ("opened.many", "Many patients opened in a short time"),
                    ("opened.closed", "Patients opened while the clinic is closed"),
                    ("opened.outside_care", "A patient opened by somebody who has no part in their care"),
                    ("opened.vip", "A colleague or well-known person opened"),
                    ("opened.break_glass", "A chart opened in an emergency"),
                    ("export.large", "Data of many people left the system"),
                    ("access.denials", "Refused again and again"),
                    ("sign_in.failures", "Signing in failed again and again"),
                    ("limits.loosened", "The limits of the alarms were loosened"),
                    ("log.unsealed", "The log has not been sealed for a while"),
                    ("witness.silent", "The witness is silent"),
                    ("log.no_room", "The log has no room for next month"),
                ],
                max_length=32,
                verbose_name="what happened",
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="note",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alarms",
                to="audit.alarmnote",
                verbose_name="reason",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(fields=["clinic_id", "-last_at", "-id"], name="audit_alarm_newest"),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                fields=["clinic_id", "rule", "actor_ref", "-last_at"], name="audit_alarm_about"
            ),
        ),
        migrations.AddConstraint(
            model_name="alarm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rule__in",
                        [
                            "seal.broken",
                            "decoy.opened",
                            "change.unattributed",
                            "check.failed",
                            "opened.many",
                            "opened.closed",
                            "opened.outside_care",
                            "opened.vip",
                            "opened.break_glass",
                            "export.large",
                            "access.denials",
                            "sign_in.failures",
                            "limits.loosened",
                            "log.unsealed",
                            "witness.silent",
                            "log.no_room",
                        ],
                    )
                ),
                name="audit_alarm_rule_known",
            ),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
