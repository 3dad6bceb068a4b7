"""The clinic's border, seals and watch of the ledger; events and notices only grow."""

from django.db import migrations

BORDER = """
SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY['consent_notice', 'consent_event', 'consent_state', 'consent_code']) t;
SELECT zhizhi_same_clinic('consent_event', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_event', 'notice_id', 'consent_notice');
SELECT zhizhi_same_clinic('consent_state', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_code', 'patient_id', 'patients_patient');
"""

WATCH = """
SELECT crypto_sealed_row('consent_event');
SELECT audit_watch('consent_event');
SELECT audit_watch('consent_state');
SELECT audit_watch('consent_code');
SELECT audit_append_only('consent_event');
SELECT audit_append_only('consent_notice');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0001_initial"),
        ("dbroles", "0001_initial"),
        ("audit", "0001_initial"),
        ("crypto", "0001_initial"),
        ("patients", "0002_access_and_rules"),
    ]
    operations = [
        migrations.RunSQL(BORDER, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
    ]
