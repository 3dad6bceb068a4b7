"""Records that may not be destroyed, within the border of their clinic and watched."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.ids


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0010_watch_groups"),
        ("exchange", "0002_evidence_pack"),
        ("patients", "0008_told_of_emergencies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Preservation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("lawsuit", "A lawsuit"),
                            ("dispute", "A dispute about treatment"),
                            ("authority", "An authority looks into it"),
                        ],
                        max_length=9,
                        verbose_name="reason",
                    ),
                ),
                ("begun_at", models.DateTimeField(verbose_name="begun at")),
                ("until", models.DateTimeField(verbose_name="until")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                (
                    "begun_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="begun by",
                    ),
                ),
                (
                    "clinic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clinics.clinic",
                        verbose_name="clinic",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="ended by",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="patients.patient",
                        verbose_name="patient",
                    ),
                ),
            ],
            options={
                "verbose_name": "preservation",
                "verbose_name_plural": "preservations",
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["patient", "-until"],
                        name="preservation_running",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("reason__in", ["lawsuit", "dispute", "authority"])),
                        name="preservation_reason_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("begun_at"))),
                        name="preservation_runs_forward",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("ended_by", None)),
                            models.Q(("ended_at__isnull", False), ("ended_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="preservation_ended_whole",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('exchange_preservation');"
            "SELECT zhizhi_same_clinic('exchange_preservation', 'patient_id', 'patients_patient');"
            "SELECT audit_watch('exchange_preservation');",
            migrations.RunSQL.noop,
        ),
    ]
