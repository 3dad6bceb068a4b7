"""Complaints, within the border of their clinic, sealed and watched."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.fields
import crypto.ids


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0010_watch_groups"),
        ("consent", "0008_emergency_basis"),
        ("patients", "0008_told_of_emergencies"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Complaint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(editable=False)),
                ("sealed_by_clinic", models.UUIDField(editable=False)),
                (
                    "words",
                    crypto.fields.SealedText(
                        aad_name="complaint.words", field_set="log", scope=2, verbose_name="in their words"
                    ),
                ),
                ("made_at", models.DateTimeField(verbose_name="made at")),
                ("due_at", models.DateTimeField(verbose_name="to be answered by")),
                (
                    "answer",
                    crypto.fields.SealedText(
                        aad_name="complaint.answer",
                        field_set="log",
                        null=True,
                        scope=2,
                        verbose_name="answer",
                    ),
                ),
                ("answered_at", models.DateTimeField(blank=True, null=True, verbose_name="answered at")),
                (
                    "answered_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="answered by",
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
                "verbose_name": "complaint",
                "verbose_name_plural": "complaints",
                "db_table": "consent_complaint",
                "indexes": [
                    models.Index(
                        condition=models.Q(("answered_at", None)),
                        fields=["clinic", "due_at"],
                        name="complaint_open",
                    ),
                    models.Index(fields=["patient", "-made_at"], name="complaint_of_patient"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("answer__isnull", True), ("answered_at", None), ("answered_by", None)),
                            models.Q(
                                ("answer__isnull", False),
                                ("answered_at__isnull", False),
                                ("answered_by__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="complaint_answered_whole",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('consent_complaint');"
            "SELECT zhizhi_same_clinic('consent_complaint', 'patient_id', 'patients_patient');"
            "SELECT crypto_sealed_row('consent_complaint');"
            "SELECT audit_watch('consent_complaint');",
            migrations.RunSQL.noop,
        ),
    ]
