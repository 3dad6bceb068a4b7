"""The clinic's border, seals and watch of what happens next."""

from django.db import migrations

BORDER = """
SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY[
  'followups_enrolment', 'followups_followup', 'followups_message', 'followups_outbox', 'followups_attempt']) t;
SELECT zhizhi_same_clinic('followups_enrolment', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('followups_followup', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('followups_followup', 'enrolment_id', 'followups_enrolment');
SELECT zhizhi_same_clinic('followups_followup', 'team_id', 'clinics_careteam');
SELECT zhizhi_same_clinic('followups_message', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('followups_message', 'follow_up_id', 'followups_followup');
SELECT zhizhi_same_clinic('followups_outbox', 'message_id', 'followups_message');
SELECT zhizhi_same_clinic('followups_attempt', 'message_id', 'followups_message');
"""

WATCH = """
SELECT crypto_sealed_row('followups_enrolment');
SELECT crypto_sealed_row('followups_followup');
SELECT audit_watch('followups_enrolment');
SELECT audit_watch('followups_followup');
SELECT audit_watch('followups_message');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("followups", "0001_initial"),
        ("dbroles", "0001_initial"),
        ("audit", "0001_initial"),
        ("crypto", "0001_initial"),
        ("clinics", "0001_initial"),
        ("patients", "0002_access_and_rules"),
    ]
    operations = [
        migrations.RunSQL(BORDER, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
    ]
