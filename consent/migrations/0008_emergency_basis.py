"""An emergency is a line of the ledger that nobody said."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0007_count_by_index"),
    ]

    operations = [
        migrations.AlterField(
            model_name="consentevent",
            name="event",
            field=models.CharField(
                choices=[
                    ("requested", "Asked"),
                    ("granted", "Agreed"),
                    ("renewed", "Renewed"),
                    ("refused", "Declined"),
                    ("withdrawn", "Withdrawn"),
                    ("expired", "Expired"),
                    ("invalidated", "Found invalid"),
                    ("superseded", "Replaced by a new notice"),
                    ("invoked", "Used in an emergency, without asking"),
                ],
                max_length=12,
                verbose_name="event",
            ),
        ),
        migrations.AlterField(
            model_name="consentevent",
            name="expressed_by",
            field=models.CharField(
                choices=[
                    ("self", "The person"),
                    ("guardian", "A guardian"),
                    ("agent", "Somebody with a written authorisation"),
                    ("clinic", "The clinic, in an emergency"),
                ],
                max_length=10,
                verbose_name="expressed by",
            ),
        ),
        migrations.AlterField(
            model_name="consentstate",
            name="state",
            field=models.CharField(
                choices=[
                    ("unknown", "Never asked"),
                    ("requested", "Asked, no answer yet"),
                    ("granted", "Agreed"),
                    ("refused", "Declined"),
                    ("withdrawn", "Withdrawn"),
                    ("expired", "Expired"),
                    ("invalidated", "Found invalid"),
                    ("superseded", "Replaced by a new notice"),
                    ("invoked", "Used in an emergency, without asking"),
                ],
                default="unknown",
                max_length=12,
                verbose_name="state",
            ),
        ),
    ]
