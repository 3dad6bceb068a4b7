"""How an account likes to read."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0009_days_of_one_clinic"),
        ("portal", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReadingMode",
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
                ("elder", models.BooleanField(verbose_name="elder mode")),
            ],
            options={
                "verbose_name": "reading mode",
                "verbose_name_plural": "reading modes",
            },
        ),
    ]
