"""Files sealed in chunks, the progress of changes of keys, and keys under a legal hold."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import crypto.ids

# The record of a file key stays for ever, like that of a data key; a finished job tells what was done, so it stays too.
RIGHTS = """
SELECT zhizhi_clinic_only('sealed_file');
SELECT zhizhi_clinic_only('crypto_job');
REVOKE UPDATE, DELETE ON sealed_file, crypto_job FROM zhizhi_app;
GRANT UPDATE (clinic_id, patient_id, kek_id, wrapped, destroyed_at) ON sealed_file TO zhizhi_app;
GRANT UPDATE (position, done, total, updated_at, finished_at) ON crypto_job TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("crypto", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="KeyJob",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("clinic_id", models.UUIDField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("rewrap", "wrapping keys under the new key-encryption key"),
                            ("reseal", "sealing values under the newest data keys"),
                            ("index", "building search tokens"),
                        ],
                        max_length=8,
                    ),
                ),
                ("target", models.CharField(max_length=100)),
                ("position", models.CharField(default="", max_length=40)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField()),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "change of keys",
                "verbose_name_plural": "changes of keys",
                "db_table": "crypto_job",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["rewrap", "reseal", "index"])),
                        name="crypto_job_kind",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("clinic_id", "kind", "target"),
                        name="crypto_job_one_open",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SealedFile",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("patient_id", models.UUIDField(db_index=True)),
                ("sealed_by_clinic", models.UUIDField()),
                ("clinic_id", models.UUIDField()),
                ("scope", models.SmallIntegerField()),
                ("suite", models.SmallIntegerField()),
                ("wrapped", models.BinaryField(null=True)),
                ("size", models.BigIntegerField()),
                ("place", models.CharField(max_length=120, unique=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("destroyed_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "sealed file",
                "verbose_name_plural": "sealed files",
                "db_table": "sealed_file",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", [1, 2, 3])), name="sealed_file_scope"
                    ),
                    models.CheckConstraint(condition=models.Q(("size__gte", 0)), name="sealed_file_size"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("destroyed_at", None), ("wrapped__isnull", False)),
                            models.Q(("destroyed_at__isnull", False), ("wrapped", None)),
                            _connector="OR",
                        ),
                        name="sealed_file_wrapped_or_destroyed",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="kek",
            name="crypto_kek_state",
        ),
        migrations.AlterField(
            model_name="kek",
            name="state",
            field=models.CharField(
                choices=[
                    ("active", "in use"),
                    ("decrypt", "opens old keys only"),
                    ("hold", "legal hold: the application cannot open what it wraps"),
                    ("destroyed", "destroyed"),
                ],
                default="active",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="kek",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["active", "decrypt", "hold", "destroyed"])),
                name="crypto_kek_state",
            ),
        ),
        migrations.AddField(
            model_name="sealedfile",
            name="kek",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crypto.kek"
            ),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
