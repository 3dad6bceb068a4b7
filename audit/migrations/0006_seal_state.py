"""What the sequencer tells of itself, and checks of the log that somebody asked for."""

from django.db import migrations, models

import crypto.ids

# Every entry whose transaction had ended at sealed_until has its place. Troubles name logs and sizes, never a person.
SEAL_STATE = """
ALTER TABLE audit_horizon
  ADD COLUMN sealed_until timestamptz,
  ADD COLUMN witness text NOT NULL DEFAULT '',
  ADD COLUMN witness_at timestamptz,
  ADD COLUMN witness_trouble text NOT NULL DEFAULT '';
ALTER TABLE audit_state ADD COLUMN trouble text NOT NULL DEFAULT '';
"""

# A check is asked for and counted on by the application: what was asked, by whom and of which log stays as it is.
CHECK_RIGHTS = """
REVOKE ALL ON audit_check FROM zhizhi_app;
GRANT SELECT, INSERT, UPDATE (moved_at, done, total, problems, findings, finished_at) ON audit_check TO zhizhi_app;
ALTER TABLE audit_check ENABLE ROW LEVEL SECURITY;
CREATE POLICY clinic ON audit_check TO zhizhi_app
  USING (log_id = ANY (NULLIF(current_setting('zhizhi.clinics', true), '')::uuid[]));
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_attribution")]

    operations = [
        migrations.RunSQL(SEAL_STATE, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Check",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("log_id", models.UUIDField()),
                ("asked_by", models.CharField(max_length=128, verbose_name="who asked")),
                ("started_at", models.DateTimeField(verbose_name="asked at")),
                ("moved_at", models.DateTimeField(null=True, verbose_name="last sign of life")),
                ("done", models.BigIntegerField(default=0, verbose_name="entries read")),
                ("total", models.BigIntegerField(default=0, verbose_name="entries to read")),
                ("problems", models.PositiveIntegerField(default=0, verbose_name="problems found")),
                ("findings", models.JSONField(default=list, verbose_name="findings")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
            ],
            options={
                "verbose_name": "check of the log",
                "verbose_name_plural": "checks of the log",
                "db_table": "audit_check",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("log_id",),
                        name="audit_check_one_at_a_time",
                    )
                ],
            },
        ),
        migrations.RunSQL(CHECK_RIGHTS, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="alarm", name="audit_alarm_rule_known"),
        migrations.AlterField(
            model_name="alarm",
            name="rule",
            field=models.CharField(
                choices=[
                    ("seal.broken", "A protected value cannot be read"),
                    ("decoy.opened", "A decoy was opened"),
                    ("change.unattributed", "Rows were changed and no event says by whom or why"),
                    ("check.failed", "The log is not what it was"),
                ],
                max_length=32,
                verbose_name="what happened",
            ),
        ),
        migrations.AddConstraint(
            model_name="alarm",
            constraint=models.CheckConstraint(
                name="audit_alarm_rule_known",
                condition=models.Q(
                    rule__in=["seal.broken", "decoy.opened", "change.unattributed", "check.failed"]
                ),
            ),
        ),
    ]
