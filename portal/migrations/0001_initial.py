import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("dbroles", "0001_initial"),
        ("clinics", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInCode",
            fields=[
                ("id", models.UUIDField(default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("phone_hash", models.CharField(max_length=64, verbose_name="keyed hash of the phone")),
                ("address_hash", models.CharField(max_length=64, verbose_name="keyed hash of the network address")),
                ("code_hash", models.CharField(max_length=64, verbose_name="keyed hash of the code")),
                ("sent_at", models.DateTimeField(verbose_name="sent at")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="wrong tries")),
                ("used_at", models.DateTimeField(null=True, verbose_name="used at")),
                (
                    "clinic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="clinics.clinic",
                        verbose_name="clinic",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-in code",
                "verbose_name_plural": "sign-in codes",
                "indexes": [
                    models.Index(fields=["clinic", "phone_hash", "-sent_at"], name="sign_in_code_of_phone"),
                    models.Index(fields=["clinic", "address_hash", "-sent_at"], name="sign_in_code_of_address"),
                    models.Index(fields=["clinic", "sent_at"], name="sign_in_code_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tries__lte", 3)), name="sign_in_code_few_tries"
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('portal_signincode')",
            "ALTER TABLE portal_signincode DISABLE ROW LEVEL SECURITY",
        ),
    ]
