"""What a permission is for becomes one number, so that a list walks a smaller index, in the order of the persons."""

from django.db import migrations, models
from django.db.models.functions import Concat


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0011_account_by_function"),
        ("consent", "0011_two_cards_by_index"),
        ("patients", "0011_page_by_function"),
    ]

    operations = [
        migrations.RunSQL("DROP STATISTICS consent_state_together", migrations.RunSQL.noop),
        migrations.RemoveIndex(
            model_name="consentstate",
            name="consent_state_permits",
        ),
        migrations.RemoveIndex(
            model_name="consentstate",
            name="consent_state_denies",
        ),
        migrations.AddField(
            model_name="consentstate",
            name="permission_hash",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    Concat(
                        "purpose",
                        models.Value("/"),
                        "data_category",
                        models.Value("/"),
                        "operation",
                        models.Value("/"),
                        "channel",
                        models.Value("/"),
                        "recipient",
                    ),
                    0,
                    function="hashtextextended",
                    output_field=models.BigIntegerField(),
                ),
                output_field=models.BigIntegerField(),
                verbose_name="permission in one number",
            ),
        ),
        migrations.AddIndex(
            model_name="consentstate",
            index=models.Index(
                condition=models.Q(("state", "granted")),
                fields=["clinic", "permission_hash", "patient"],
                include=("valid_from", "valid_until", "notice_version"),
                name="consent_state_permits",
            ),
        ),
        migrations.AddIndex(
            model_name="consentstate",
            index=models.Index(
                condition=models.Q(("state__in", ["refused", "withdrawn"])),
                fields=["clinic", "permission_hash", "patient"],
                name="consent_state_denies",
            ),
        ),
        migrations.RunSQL(
            # How often something is agreed to differs from permission to permission.
            "CREATE STATISTICS consent_state_together (mcv) ON permission_hash, state FROM consent_state",
            "DROP STATISTICS consent_state_together",
        ),
        migrations.RunSQL("SELECT audit_watch('consent_state')", migrations.RunSQL.noop),
    ]
