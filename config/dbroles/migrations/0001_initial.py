"""Default rights of the roles, and the SQL functions that the apps' migrations call. Runs before everything else."""

from django.db import migrations

RIGHTS = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO zhizhi_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO zhizhi_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO zhizhi_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO zhizhi_backup;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO zhizhi_app, zhizhi_sequencer, zhizhi_auditor, zhizhi_backup;
GRANT SELECT ON django_migrations TO zhizhi_app, zhizhi_backup;
"""

# Row security on the clinic is the second lock: ENABLE without FORCE, because FORCE makes the owner's foreign keys and
# backups blind, and the application owns nothing.
CLINIC_ONLY = """
CREATE FUNCTION zhizhi_clinic_only(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format(
    'CREATE POLICY clinic ON %s TO zhizhi_app USING '
    '(clinic_id = ANY (NULLIF(current_setting(''zhizhi.clinics'', true), '''')::uuid[]))', tbl);
END $$;
"""

# Foreign keys ignore row security, so a row of one clinic could point at a patient of another: the composite key refuses.
SAME_CLINIC = """
CREATE FUNCTION zhizhi_same_clinic(child regclass, fk_column text, parent regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE parent_key text := replace(parent::text, '"', '') || '_clinic_id';
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = parent AND conname = parent_key) THEN
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE (clinic_id, id)', parent, parent_key);
  END IF;
  EXECUTE format(
    'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (clinic_id, %I) REFERENCES %s (clinic_id, id) DEFERRABLE INITIALLY DEFERRED',
    child, left(replace(child::text, '"', '') || '_' || fk_column, 50) || '_same_clinic', fk_column, parent);
END $$;
"""


class Migration(migrations.Migration):
    initial = True
    run_before = [("contenttypes", "0001_initial")]
    dependencies = []
    operations = [
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
        migrations.RunSQL(CLINIC_ONLY, "DROP FUNCTION zhizhi_clinic_only(regclass)"),
        migrations.RunSQL(SAME_CLINIC, "DROP FUNCTION zhizhi_same_clinic(regclass, text, regclass)"),
    ]
