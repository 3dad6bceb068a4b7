"""What a sender calls itself comes from the file, so it could hold a name: it is sealed, and no column has it in clear.

Nothing released holds such rows. The row log names columns one by one, so the table is watched anew.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("records", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="examreport", name="exam_report_once"),
        migrations.RemoveField(model_name="examreport", name="source_system"),
        migrations.AddConstraint(
            model_name="examreport",
            constraint=models.UniqueConstraint(fields=("clinic", "source_key"), name="exam_report_once"),
        ),
        migrations.RunSQL("SELECT audit_watch('records_examreport')", migrations.RunSQL.noop),
    ]
