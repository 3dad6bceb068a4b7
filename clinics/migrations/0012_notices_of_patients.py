"""What owners of accounts are told has words for patients too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0011_account_by_function"),
    ]

    operations = [
        migrations.AlterField(
            model_name="accountnotice",
            name="kind",
            field=models.CharField(
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
                    ("pin_set", "The PIN for a shared phone was set"),
                    ("pin_removed", "The PIN for a shared phone was removed"),
                    ("signed_out", "Signed out on every phone and computer"),
                ],
                max_length=20,
            ),
        ),
    ]
