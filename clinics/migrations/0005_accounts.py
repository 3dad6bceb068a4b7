"""Where an account is signed in, on what, what its owner should know, and links for a new password."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import crypto.ids


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("clinics", "0004_lasting_teams"),
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountNotice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("new_device", "Signed in on a device that is new to this account"),
                            ("factor_added", "A second factor was added"),
                            ("factor_removed", "A second factor was removed"),
                            ("codes_made", "New recovery codes were made"),
                            ("password_changed", "The password was changed"),
                            ("reset_issued", "An administrator issued a link for a new password"),
                            ("factors_taken", "An administrator removed the second factors"),
                            ("sessions_ended", "An administrator ended the sessions"),
                            ("mail_changed", "The e-mail address for these notices was changed"),
                        ],
                        max_length=20,
                    ),
                ),
                ("device", models.CharField(blank=True, max_length=60)),
                ("at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(null=True)),
                ("mail_due", models.BooleanField(default=False)),
            ],
            options={
                "verbose_name": "notice about an account",
                "verbose_name_plural": "notices about accounts",
                "indexes": [
                    models.Index(
                        condition=models.Q(("mail_due", True)), fields=["at"], name="account_notice_mail_due"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountSession",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("session_key", models.CharField(editable=False, max_length=40, unique=True)),
                ("device", models.CharField(max_length=60, verbose_name="device")),
                ("network", models.CharField(max_length=45, verbose_name="network")),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("password", "password"),
                            ("passkey", "passkey"),
                            ("single_sign_on", "single sign-on"),
                            ("code", "code by text message"),
                        ],
                        max_length=16,
                        verbose_name="signed in by",
                    ),
                ),
                ("started_at", models.DateTimeField(verbose_name="since")),
                ("seen_at", models.DateTimeField(verbose_name="last seen")),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
            },
        ),
        migrations.CreateModel(
            name="KnownDevice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("token_hash", models.CharField(max_length=64)),
                ("device", models.CharField(max_length=60, verbose_name="device")),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "known device",
                "verbose_name_plural": "known devices",
            },
        ),
        migrations.CreateModel(
            name="ResetLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "link for a new password",
                "verbose_name_plural": "links for a new password",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("issued_at"))),
                        name="reset_link_ends_later",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="user",
            name="patient_account_says_nothing",
        ),
        migrations.AddField(
            model_name="user",
            name="sealed_email",
            field=models.TextField(
                blank=True, editable=False, verbose_name="e-mail address for notices, sealed"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "staff"),
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
        migrations.AddField(
            model_name="accountnotice",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="account_notices",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="accountsession",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="living_sessions",
                to=settings.AUTH_USER_MODEL,
                verbose_name="account",
            ),
        ),
        migrations.AddField(
            model_name="knowndevice",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="known_devices",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="resetlink",
            name="issued_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="resetlink",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reset_links",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="knowndevice",
            constraint=models.UniqueConstraint(fields=("user", "token_hash"), name="known_device_once"),
        ),
        migrations.RunSQL("SELECT audit_watch('clinics_resetlink')", migrations.RunSQL.noop),
    ]
