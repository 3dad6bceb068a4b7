"""The border, watch and seals of recipients, opt-out links and people's requests; assessments only grow, what was given and asked is never deleted."""

from django.db import migrations

BORDER = """
SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY[
  'consent_assessment', 'consent_assessment_approval', 'consent_recipient', 'consent_disclosure', 'consent_opt_out',
  'consent_request', 'consent_correction']) t;
SELECT zhizhi_same_clinic('consent_assessment_approval', 'assessment_id', 'consent_assessment');
SELECT zhizhi_same_clinic('consent_recipient', 'assessment_id', 'consent_assessment');
SELECT zhizhi_same_clinic('consent_disclosure', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_disclosure', 'recipient_id', 'consent_recipient');
SELECT zhizhi_same_clinic('consent_disclosure', 'decision_id', 'consent_event');
SELECT zhizhi_same_clinic('consent_opt_out', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_request', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_correction', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('consent_correction', 'request_id', 'consent_request');
"""

WATCH = """
SELECT crypto_sealed_row('consent_request');
SELECT crypto_sealed_row('consent_correction');
SELECT audit_watch('consent_recipient');
SELECT audit_watch('consent_disclosure');
SELECT audit_watch('consent_opt_out');
SELECT audit_watch('consent_request');
SELECT audit_watch('consent_correction');
SELECT audit_append_only('consent_assessment');
SELECT audit_append_only('consent_assessment_approval');
"""

KEPT = "".join(
    f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION audit_refuse();"
    f"REVOKE DELETE ON {table} FROM zhizhi_app;"
    for table in ("consent_recipient", "consent_disclosure", "consent_request", "consent_correction")
)


class Migration(migrations.Migration):
    dependencies = [("consent", "0004_recipients_links_requests")]
    operations = [
        migrations.RunSQL(BORDER, migrations.RunSQL.noop),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
