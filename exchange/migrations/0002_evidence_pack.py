"""Archives for those who check a clinic: each clinic sees its own."""

import django.db.models.deletion
from django.db import migrations, models

import crypto.ids


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0004_lasting_teams"),
        ("exchange", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="EvidencePack",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("asked_by", models.CharField(max_length=128, verbose_name="who asked")),
                ("asked_at", models.DateTimeField(verbose_name="asked at")),
                ("moved_at", models.DateTimeField(null=True, verbose_name="last sign of life")),
                ("done", models.BigIntegerField(default=0, verbose_name="entries written")),
                ("total", models.BigIntegerField(default=0, verbose_name="entries to write")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
                ("expires_at", models.DateTimeField(null=True, verbose_name="kept until")),
                ("size", models.BigIntegerField(default=0, verbose_name="size in bytes")),
                ("sha256", models.CharField(blank=True, max_length=64, verbose_name="checksum")),
                ("trouble", models.CharField(blank=True, max_length=200, verbose_name="why it failed")),
                (
                    "clinic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="clinics.clinic",
                        verbose_name="clinic",
                    ),
                ),
            ],
            options={
                "verbose_name": "evidence pack",
                "verbose_name_plural": "evidence packs",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("clinic",),
                        name="evidence_pack_one_at_a_time",
                    )
                ],
            },
        ),
        migrations.RunSQL("SELECT zhizhi_clinic_only('exchange_evidencepack')", migrations.RunSQL.noop),
    ]
