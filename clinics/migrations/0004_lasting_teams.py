"""Care teams and who is in them have a beginning and an end; absences and the days on which a clinic does the other thing.

The row log names columns one by one, so a table with new ones is watched anew.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import crypto.ids

TABLES = ("clinics_careteam", "clinics_teammember", "clinics_staffabsence", "clinics_specialday")


def lasting(model: str, verbose: str) -> list[migrations.operations.base.Operation]:
    return [
        migrations.AddField(
            model,
            "valid_from",
            models.DateTimeField(default=django.utils.timezone.now, verbose_name="valid from"),
        ),
        migrations.AddField(
            model, "valid_until", models.DateTimeField(blank=True, null=True, verbose_name="valid until")
        ),
        migrations.AddConstraint(
            model,
            models.CheckConstraint(
                condition=models.Q(
                    ("valid_until", None), ("valid_until__gte", models.F("valid_from")), _connector="OR"
                ),
                name=verbose,
            ),
        ),
    ]


def key() -> tuple[str, models.UUIDField]:
    return (
        "id",
        models.UUIDField(default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False),
    )


def of_the_clinic() -> tuple[str, models.ForeignKey]:
    cascade = django.db.models.deletion.CASCADE
    return (
        "clinic",
        models.ForeignKey(on_delete=cascade, related_name="+", to="clinics.clinic", verbose_name="clinic"),
    )


class Migration(migrations.Migration):
    dependencies = [("clinics", "0003_code_form"), ("audit", "0001_initial")]
    operations = [
        migrations.AlterField(
            "staffrole",
            "role",
            models.CharField(
                choices=[
                    ("front_desk", "Front desk"),
                    ("caller", "Follow-up caller"),
                    ("nurse", "Nurse"),
                    ("health_manager", "Health manager"),
                    ("doctor", "Doctor"),
                    ("nutritionist", "Nutritionist"),
                    ("manager", "Clinic manager"),
                    ("privacy_officer", "Privacy officer"),
                    ("administrator", "Administrator"),
                ],
                max_length=20,
                verbose_name="role",
            ),
        ),
        *lasting("careteam", "care_team_ends_after_it_begins"),
        *lasting("teammember", "team_member_ends_after_it_begins"),
        migrations.CreateModel(
            name="StaffAbsence",
            fields=[
                key(),
                ("first_on", models.DateField(verbose_name="first day")),
                ("last_on", models.DateField(verbose_name="last day")),
                of_the_clinic(),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "absence",
                "verbose_name_plural": "absences",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_on__gte", models.F("first_on"))),
                        name="absence_ends_after_it_begins",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SpecialDay",
            fields=[
                key(),
                ("day", models.DateField(verbose_name="day")),
                ("at_work", models.BooleanField(default=False, verbose_name="the clinic is open")),
                ("name", models.CharField(blank=True, max_length=40, verbose_name="name")),
                of_the_clinic(),
            ],
            options={
                "verbose_name": "holiday or extra working day",
                "verbose_name_plural": "holidays and extra working days",
                "constraints": [models.UniqueConstraint(fields=("clinic", "day"), name="special_day_once")],
            },
        ),
        *(migrations.RunSQL(f"SELECT audit_watch('{table}')", migrations.RunSQL.noop) for table in TABLES),
    ]
