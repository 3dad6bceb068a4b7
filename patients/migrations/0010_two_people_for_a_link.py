"""A link to the portal needs a second person. Links of before live a day longer as they were made; the watch knows the new columns."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("patients", "0009_rights_row_by_row")]

    operations = [
        migrations.AddField(
            model_name="portalinvitation",
            name="made_by",
            field=models.CharField(default="before", max_length=80, verbose_name="made by"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="portalinvitation",
            name="confirmed_by",
            field=models.CharField(
                blank=True, default="before all", max_length=80, verbose_name="confirmed by"
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="portalinvitation",
            constraint=models.CheckConstraint(
                name="portal_invitation_has_two_people", condition=~Q(confirmed_by=F("made_by"))
            ),
        ),
        migrations.AddConstraint(
            model_name="portalinvitation",
            constraint=models.CheckConstraint(
                name="portal_invitation_used_once_confirmed", condition=Q(used_at=None) | ~Q(confirmed_by="")
            ),
        ),
        migrations.RunSQL("SELECT audit_watch('patients_portalinvitation')", migrations.RunSQL.noop),
    ]
