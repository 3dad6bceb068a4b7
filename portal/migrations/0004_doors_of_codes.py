"""Who asks for a code is counted per door: a known browser, or a network."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0003_pin"),
    ]

    operations = [
        migrations.AddField(
            model_name="signincode",
            name="door_hash",
            field=models.CharField(
                default="", max_length=64, verbose_name="keyed hash of the asking browser or network"
            ),
        ),
        migrations.AddField(
            model_name="signincode",
            name="from_known",
            field=models.BooleanField(
                default=False, verbose_name="asked from a browser that was signed in before"
            ),
        ),
    ]
