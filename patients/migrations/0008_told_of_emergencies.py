"""Whether the person was told of an emergency; the watch of the table knows the new columns."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0010_watch_groups"),
        ("patients", "0007_newest_by_function"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="breakglass",
            name="told_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="person told at"),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="told_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="person told by",
            ),
        ),
        migrations.AddField(
            model_name="breakglass",
            name="told_how",
            field=models.CharField(
                blank=True,
                choices=[
                    ("portal", "Read on their own page"),
                    ("in_person", "In person"),
                    ("phone", "By telephone"),
                    ("letter", "By letter"),
                ],
                max_length=9,
                verbose_name="person told",
            ),
        ),
        migrations.AddIndex(
            model_name="breakglass",
            index=models.Index(
                condition=models.Q(("told_how", "")), fields=["patient", "opened_at"], name="glass_to_tell"
            ),
        ),
        migrations.AddConstraint(
            model_name="breakglass",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("told_at", None), ("told_by", None), ("told_how", "")),
                    models.Q(
                        ("told_at__isnull", False),
                        ("told_by__isnull", False),
                        ("told_how__in", ["portal", "in_person", "phone", "letter"]),
                    ),
                    _connector="OR",
                ),
                name="glass_told_whole",
            ),
        ),
        migrations.RunSQL("SELECT audit_watch('patients_breakglass')", migrations.RunSQL.noop),
    ]
