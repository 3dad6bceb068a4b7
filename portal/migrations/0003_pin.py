"""Who shares a phone signs in by code, name and PIN."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0010_watch_groups"),
        ("portal", "0002_readingmode"),
    ]

    operations = [
        migrations.AddField(
            model_name="signincode",
            name="sharers",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(),
                default=list,
                size=None,
                verbose_name="accounts that share the phone",
            ),
        ),
        migrations.CreateModel(
            name="Pin",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account",
                    ),
                ),
                ("pin_hash", models.CharField(max_length=128, verbose_name="Argon2 hash of the PIN")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="wrong tries")),
                ("set_at", models.DateTimeField(verbose_name="set at")),
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
                "verbose_name": "PIN",
                "verbose_name_plural": "PINs",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("tries__lte", 5)), name="pin_few_tries")
                ],
            },
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('portal_pin')",
            "ALTER TABLE portal_pin DISABLE ROW LEVEL SECURITY",
        ),
    ]
