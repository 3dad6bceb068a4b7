"""Reports, results and the news of them; the clinic's border, the seals and the log of row changes."""

import crypto.fields
import crypto.ids
import django.db.models.deletion
from django.db import migrations, models


BORDER = """
SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY['records_examreport', 'records_observation', 'records_change']) t;
SELECT zhizhi_same_clinic('records_examreport', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('records_observation', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('records_observation', 'report_id', 'records_examreport');
SELECT zhizhi_same_clinic('records_change', 'patient_id', 'patients_patient');
"""

SEALS = """
SELECT crypto_sealed_row('records_examreport');
SELECT crypto_sealed_row('records_observation');
"""

WATCH = """
SELECT audit_watch('records_examreport');
SELECT audit_watch('records_observation');
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("dbroles", "0001_initial"),
        ("crypto", "0001_initial"),
        ("audit", "0001_initial"),
        ("clinics", "0001_initial"),
        ("patients", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExamReport",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField(editable=False)),
                ("sealed_by_clinic", models.UUIDField(editable=False)),
                ("source_system", models.CharField(max_length=120, verbose_name="sent by system")),
                (
                    "source_key",
                    models.CharField(
                        editable=False, max_length=64, verbose_name="digest of the sender's number"
                    ),
                ),
                ("taken_at", models.DateTimeField(verbose_name="taken at")),
                ("filed_at", models.DateTimeField(verbose_name="filed at")),
                ("observation_count", models.PositiveIntegerField(verbose_name="results")),
                (
                    "summary",
                    crypto.fields.SealedJSON(
                        aad_name="exam_report.summary",
                        editable=False,
                        field_set="clinical",
                        scope=2,
                        verbose_name="summary",
                    ),
                ),
                (
                    "clinic",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clinics.clinic",
                        verbose_name="clinic",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exam_reports",
                        to="patients.patient",
                        verbose_name="patient",
                    ),
                ),
            ],
            options={
                "verbose_name": "report",
                "verbose_name_plural": "reports",
                "indexes": [
                    models.Index(fields=["patient", "-taken_at"], name="exam_report_of_patient"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("clinic", "source_system", "source_key"), name="exam_report_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Observation",
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
                    "source_key",
                    models.CharField(
                        editable=False, max_length=64, verbose_name="digest of the sender's number"
                    ),
                ),
                ("indicator", models.CharField(blank=True, max_length=32, verbose_name="item")),
                (
                    "flag",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("normal", "In range"),
                            ("low", "Low"),
                            ("high", "High"),
                            ("critical_low", "Critically low"),
                            ("critical_high", "Critically high"),
                            ("unflagged", "No range to compare with"),
                        ],
                        max_length=16,
                        verbose_name="flag",
                    ),
                ),
                ("taken_at", models.DateTimeField(verbose_name="taken at")),
                (
                    "detail",
                    crypto.fields.SealedJSON(
                        aad_name="observation.detail",
                        editable=False,
                        field_set="clinical",
                        scope=2,
                        verbose_name="result",
                    ),
                ),
                (
                    "clinic",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clinics.clinic",
                        verbose_name="clinic",
                    ),
                ),
                (
                    "patient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="patients.patient",
                        verbose_name="patient",
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="observations",
                        to="records.examreport",
                        verbose_name="report",
                    ),
                ),
            ],
            options={
                "verbose_name": "result",
                "verbose_name_plural": "results",
                "indexes": [
                    models.Index(fields=["patient", "-taken_at"], name="observation_of_patient"),
                    models.Index(
                        fields=["patient", "indicator", "-taken_at"], name="observation_of_indicator"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("report", "source_key"), name="observation_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "flag__in",
                                ["", "normal", "low", "high", "critical_low", "critical_high", "unflagged"],
                            )
                        ),
                        name="observation_flag_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("flag", ""), ("indicator", "")),
                            models.Q(
                                models.Q(("indicator", ""), _negated=True),
                                models.Q(("flag", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="observation_flag_of_an_item",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RecordsChange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("report.filed", "A report was filed"),
                            ("consent.given", "A permission was given"),
                        ],
                        max_length=16,
                        verbose_name="cause",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
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
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="patients.patient",
                        verbose_name="patient",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a record",
                "verbose_name_plural": "changes of records",
                "db_table": "records_change",
                "indexes": [
                    models.Index(fields=["clinic", "at"], name="records_change_oldest"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("cause__in", ["report.filed", "consent.given"])),
                        name="records_change_cause_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(BORDER, migrations.RunSQL.noop),
        migrations.RunSQL(SEALS, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
    ]
