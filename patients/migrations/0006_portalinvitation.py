"""Links by which people first come to their own pages: inside the clinic's border, and watched."""

import django.db.models.deletion
from django.db import migrations, models

import crypto.ids

BORDER = """
SELECT zhizhi_clinic_only('patients_portalinvitation');
SELECT zhizhi_same_clinic('patients_portalinvitation', 'access_id', 'patients_portalaccess');
SELECT audit_watch('patients_portalinvitation');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0009_days_of_one_clinic"),
        ("patients", "0005_care_and_emergencies"),
    ]

    operations = [
        migrations.CreateModel(
            name="PortalInvitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "token_hash",
                    models.CharField(max_length=64, unique=True, verbose_name="keyed hash of the link"),
                ),
                ("birth_hash", models.CharField(max_length=64, verbose_name="keyed hash of the birth date")),
                ("made_at", models.DateTimeField(verbose_name="made at")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="wrong tries")),
                ("used_at", models.DateTimeField(blank=True, null=True, verbose_name="used at")),
                (
                    "access",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="patients.portalaccess",
                        verbose_name="portal access",
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
            ],
            options={
                "verbose_name": "portal invitation",
                "verbose_name_plural": "portal invitations",
                "indexes": [models.Index(fields=["access", "-made_at"], name="portal_invitation_of_access")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tries__lte", 3)), name="portal_invitation_few_tries"
                    )
                ],
            },
        ),
        migrations.RunSQL(BORDER, migrations.RunSQL.noop),
    ]
