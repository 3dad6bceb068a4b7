"""Absences and special days show in the clinic in hand alone."""

from django.db import migrations

BORDER = "SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY['clinics_staffabsence', 'clinics_specialday']) t"


class Migration(migrations.Migration):
    dependencies = [("clinics", "0008_watch_accounts"), ("dbroles", "0001_initial")]
    operations = [migrations.RunSQL(BORDER, migrations.RunSQL.noop)]
