"""Whether people are told the name of who looked: versions of a clinic's word, none of which is ever changed."""

from django.db import migrations, models

import crypto.ids

RIGHTS = """
SELECT zhizhi_clinic_only('audit_names_told');
SELECT audit_append_only('audit_names_told');
SELECT audit_watch('audit_names_told');
REVOKE ALL ON audit_names_told FROM zhizhi_app;
GRANT SELECT, INSERT ON audit_names_told TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0013_request_overdue")]
    operations = [
        migrations.CreateModel(
            name="NamesToldVersion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                (
                    "names",
                    models.CharField(
                        choices=[
                            ("at_once", "Every look says the name"),
                            ("on_request", "The name is said when the person asks for it"),
                            ("by_officer", "Names are said by the privacy officer alone"),
                        ],
                        max_length=16,
                        verbose_name="names of who looked",
                    ),
                ),
                ("changed_at", models.DateTimeField(verbose_name="changed at")),
                ("changed_by", models.CharField(max_length=128, verbose_name="changed by")),
            ],
            options={
                "verbose_name": "telling of names",
                "verbose_name_plural": "telling of names",
                "db_table": "audit_names_told",
                "constraints": [
                    models.UniqueConstraint(fields=("clinic_id", "version"), name="audit_names_told_version"),
                    models.CheckConstraint(
                        condition=models.Q(("names__in", ["at_once", "on_request", "by_officer"])),
                        name="audit_names_told_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
