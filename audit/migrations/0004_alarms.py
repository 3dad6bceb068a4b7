"""Alarms wait for a person's decision; the marks of decoys only grow, and say nothing without the clinic's index secret."""

from django.db import migrations, models

import crypto.ids

# What an alarm is about never changes: the application counts it on and writes the decision, no more.
RIGHTS = """
SELECT zhizhi_clinic_only('audit_alarm');
SELECT zhizhi_clinic_only('audit_decoy');
SELECT audit_watch('audit_alarm');
REVOKE ALL ON audit_alarm, audit_decoy FROM zhizhi_app;
GRANT SELECT, INSERT, UPDATE (count, last_at, decided_at, decided_by, decision) ON audit_alarm TO zhizhi_app;
GRANT SELECT, INSERT ON audit_decoy TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_unused_table")]

    operations = [
        migrations.CreateModel(
            name="Decoy",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "clinic_id",
                        "key_ver",
                        "mark",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                ("key_ver", models.SmallIntegerField()),
                ("mark", models.BinaryField(max_length=16)),
            ],
            options={
                "verbose_name": "mark of a decoy",
                "verbose_name_plural": "marks of decoys",
                "db_table": "audit_decoy",
            },
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                (
                    "rule",
                    models.CharField(
                        choices=[
                            ("seal.broken", "A protected value cannot be read"),
                            ("decoy.opened", "A decoy was opened"),
                        ],
                        max_length=32,
                        verbose_name="what happened",
                    ),
                ),
                ("actor_ref", models.CharField(max_length=128, verbose_name="who")),
                ("subject_id", models.UUIDField(null=True)),
                ("object_type", models.CharField(max_length=64)),
                ("object_id", models.CharField(max_length=128)),
                ("event_uid", models.UUIDField(null=True)),
                ("count", models.PositiveIntegerField(default=1, verbose_name="how often")),
                ("raised_at", models.DateTimeField(verbose_name="first at")),
                ("last_at", models.DateTimeField(verbose_name="last at")),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided at")),
                ("decided_by", models.CharField(blank=True, max_length=128, verbose_name="decided by")),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("confirmed", "Confirmed: this should not have happened"),
                            ("repaired", "Repaired: the cause is gone"),
                            ("harmless", "Harmless: there is a good reason"),
                        ],
                        max_length=16,
                        verbose_name="decision",
                    ),
                ),
            ],
            options={
                "verbose_name": "alarm",
                "verbose_name_plural": "alarms",
                "db_table": "audit_alarm",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("decided_at", None)),
                        fields=("clinic_id", "rule", "object_type", "object_id", "subject_id"),
                        name="audit_alarm_open_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rule__in", ["seal.broken", "decoy.opened"])),
                        name="audit_alarm_rule_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at", None), ("decided_by", ""), ("decision", "")),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decision__in", ["confirmed", "repaired", "harmless"]),
                                models.Q(("decided_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="audit_alarm_decided_by_somebody",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
