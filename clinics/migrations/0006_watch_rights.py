"""Groups and permissions of an account decide what it may see: every change of them is a row change of the log."""

from django.db import migrations

TABLES = ("clinics_user_groups", "clinics_user_user_permissions")


class Migration(migrations.Migration):
    dependencies = [("clinics", "0005_accounts"), ("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(f"SELECT audit_watch('{table}')", migrations.RunSQL.noop) for table in TABLES
    ]
