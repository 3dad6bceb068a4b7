"""What a time stamp authority said of a checkpoint (RFC 3161)."""

from django.db import migrations, models

RIGHTS = """
SELECT audit_append_only('audit_timestamp');
REVOKE ALL ON audit_timestamp FROM zhizhi_app;
GRANT SELECT ON audit_timestamp TO zhizhi_app, zhizhi_auditor;
GRANT SELECT, INSERT ON audit_timestamp TO zhizhi_sequencer;
ALTER TABLE audit_timestamp ENABLE ROW LEVEL SECURITY;
CREATE POLICY clinic ON audit_timestamp FOR SELECT TO zhizhi_app
  USING (log_id = ANY (NULLIF(current_setting('zhizhi.clinics', true), '')::uuid[]));
CREATE POLICY sealing ON audit_timestamp TO zhizhi_sequencer USING (true) WITH CHECK (true);
CREATE POLICY whole_log ON audit_timestamp FOR SELECT TO zhizhi_auditor USING (true);
ALTER TABLE audit_timestamp ALTER COLUMN created_at SET DEFAULT clock_timestamp();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_alarm_rules")]
    operations = [
        migrations.CreateModel(
            name="Timestamp",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "log_id",
                        "year",
                        "hashing",
                        "size",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("log_id", models.UUIDField()),
                ("year", models.SmallIntegerField()),
                ("hashing", models.CharField(default="sha256", max_length=6)),
                ("size", models.BigIntegerField()),
                ("authority", models.TextField()),
                ("token", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "time stamp",
                "verbose_name_plural": "time stamps",
                "db_table": "audit_timestamp",
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
