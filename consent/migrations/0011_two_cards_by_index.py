"""Whether somebody's rows stand under two subjects is known without reading anybody's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("consent", "0010_lists_by_index")]

    operations = [
        migrations.AddIndex(
            model_name="consentstate",
            index=models.Index(
                condition=models.Q(("subject_id", models.F("patient_id")), _negated=True),
                fields=["patient"],
                name="consent_state_of_two_cards",
            ),
        ),
    ]
