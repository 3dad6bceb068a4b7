"""Who works where decides who sees whom: every change of it is a row change of the log, whoever made it."""

from django.db import migrations

TABLES = ("clinics_user", "clinics_staffrole", "clinics_careteam", "clinics_teammember")


class Migration(migrations.Migration):
    dependencies = [("clinics", "0001_initial"), ("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(f"SELECT audit_watch('{table}')", migrations.RunSQL.noop) for table in TABLES
    ]
