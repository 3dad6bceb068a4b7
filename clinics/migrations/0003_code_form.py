"""A clinic's code begins with a letter, so that a number typed into an address is looked up nowhere."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0002_watch"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="clinic",
            constraint=models.CheckConstraint(
                condition=models.Q(("code__regex", "^[a-z][a-z0-9-]*$")),
                name="clinic_code_form",
                violation_error_message="A clinic's code begins with a small letter; small letters, digits and hyphens follow.",
            ),
        ),
    ]
