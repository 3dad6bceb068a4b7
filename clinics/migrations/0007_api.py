"""Programs beside people: integrations, tokens of the API, and the repeat keys of a day."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.ids


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("clinics", "0006_watch_rights"),
        ("audit", "0001_initial"),
        ("dbroles", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiRepeat",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key_digest", models.BinaryField(max_length=32, verbose_name="repeat key")),
                ("body_digest", models.BinaryField(max_length=32, verbose_name="request")),
                ("made", models.UUIDField(null=True, verbose_name="what was made")),
                ("at", models.DateTimeField(verbose_name="at")),
            ],
            options={
                "verbose_name": "repeat key",
                "verbose_name_plural": "repeat keys",
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("label", models.CharField(max_length=40, verbose_name="what it is for")),
                ("digest", models.BinaryField(max_length=32, unique=True, verbose_name="digest")),
                ("scopes", models.CharField(max_length=255, verbose_name="may")),
                ("made_at", models.DateTimeField(verbose_name="made at")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
            ],
            options={
                "verbose_name": "token",
                "verbose_name_plural": "tokens",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scopes", ""), _negated=True), name="api_token_may_something"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("made_at"))), name="api_token_expires"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Integration",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("scopes", models.CharField(max_length=255, verbose_name="may")),
                ("purposes", models.CharField(max_length=255, verbose_name="for")),
                ("field_sets", models.CharField(blank=True, max_length=255, verbose_name="opens")),
                ("made_at", models.DateTimeField(verbose_name="made at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
            ],
            options={
                "verbose_name": "integration",
                "verbose_name_plural": "integrations",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("scopes", ""), _negated=True), models.Q(("purposes", ""), _negated=True)
                        ),
                        name="integration_may_something_for_some_purpose",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="user",
            name="patient_account_says_nothing",
        ),
        migrations.AlterField(
            model_name="user",
            name="kind",
            field=models.CharField(
                choices=[("staff", "Staff"), ("patient", "Patient"), ("integration", "Integration")],
                default="staff",
                max_length=11,
                verbose_name="kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "staff"),
                    ("kind", "integration"),
                    models.Q(
                        ("display_name", ""),
                        ("is_staff", False),
                        ("is_superuser", False),
                        ("sealed_email", ""),
                    ),
                    _connector="OR",
                ),
                name="patient_account_says_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "integration"), _negated=True),
                    models.Q(("is_staff", False), ("is_superuser", False)),
                    _connector="OR",
                ),
                name="integration_opens_no_admin",
            ),
        ),
        migrations.AddField(
            model_name="apirepeat",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="clinics.clinic",
                verbose_name="clinic",
            ),
        ),
        migrations.CreateModel(
            name="ApiTokenUse",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="use",
                        serialize=False,
                        to="clinics.apitoken",
                    ),
                ),
                ("last_used_at", models.DateTimeField(verbose_name="last used at")),
            ],
            options={
                "verbose_name": "use of a token",
                "verbose_name_plural": "uses of tokens",
            },
        ),
        migrations.AddField(
            model_name="apitoken",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="clinics.clinic",
                verbose_name="clinic",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="made_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="made by",
            ),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="api_tokens",
                to=settings.AUTH_USER_MODEL,
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="integration",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="integrations",
                to="clinics.clinic",
                verbose_name="clinic",
            ),
        ),
        migrations.AddField(
            model_name="integration",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="integration",
                to=settings.AUTH_USER_MODEL,
                verbose_name="account",
            ),
        ),
        migrations.AddConstraint(
            model_name="apirepeat",
            constraint=models.UniqueConstraint(fields=("clinic", "key_digest"), name="api_repeat_once"),
        ),
        migrations.AddIndex(
            model_name="apitoken",
            index=models.Index(fields=["user", "-made_at"], name="api_token_of_account"),
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('clinics_apirepeat');"
            "SELECT audit_watch('clinics_apitoken');"
            "SELECT audit_watch('clinics_integration');",
            migrations.RunSQL.noop,
        ),
    ]
