"""Accounts have columns that came after the table was first watched."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("clinics", "0007_api"), ("audit", "0012_cheaper")]
    operations = [migrations.RunSQL("SELECT audit_watch('clinics_user')", migrations.RunSQL.noop)]
