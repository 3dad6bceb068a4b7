"""A sealed file belongs to a patient of its clinic, and its records are watched like theirs."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0002_access_and_rules"),
        ("crypto", "0002_files_jobs_and_hold"),
        ("audit", "0003_unused_table"),
    ]
    operations = [
        migrations.RunSQL(
            "SELECT zhizhi_same_clinic('sealed_file', 'patient_id', 'patients_patient'); SELECT audit_watch('sealed_file');",
            migrations.RunSQL.noop,
        ),
    ]
