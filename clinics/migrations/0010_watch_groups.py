"""What a group may do is what whoever is in it may do: every change of it is a row change of the log."""

from django.db import migrations

TABLES = ("auth_group", "auth_group_permissions")


class Migration(migrations.Migration):
    dependencies = [("clinics", "0009_days_of_one_clinic"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [
        migrations.RunSQL(f"SELECT audit_watch('{table}')", migrations.RunSQL.noop) for table in TABLES
    ]
