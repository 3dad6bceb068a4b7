"""What the database keeps by itself: the access table, the clinic's border, the log of row changes, what never changes."""

from django.db import migrations

# One definition of who may see whom. The triggers write what it says; a check compares the table with it.
# Sources: 1 care relationship, 2 chart opened to a person, 3 chart opened to a group (a group's number as a UUID).
WANTED = """
CREATE VIEW patient_access_wanted WITH (security_invoker = true) AS
SELECT p.clinic_id, coalesce(c.staff_id, c.team_id) AS grantee, p.created_at, p.id AS patient_id,
       1::smallint AS source, c.id AS source_id, c.valid_from, coalesce(c.valid_until, 'infinity') AS valid_until
  FROM patients_carerelationship c JOIN patients_patient p ON p.id = c.patient_id WHERE p.restricted_at IS NULL
UNION ALL
SELECT p.clinic_id, g.user_id, p.created_at, p.id,
       2::smallint, g.id, g.granted_at, coalesce(g.valid_until, 'infinity')
  FROM patients_patientuserobjectpermission g
  JOIN patients_patient p ON p.id = g.content_object_id
  JOIN auth_permission m ON m.id = g.permission_id AND m.codename = 'view_patient'
 WHERE p.restricted_at IS NULL
UNION ALL
SELECT p.clinic_id, ('00000000-0000-0000-0000-' || lpad(to_hex(g.group_id), 12, '0'))::uuid, p.created_at, p.id,
       3::smallint, g.id, g.granted_at, coalesce(g.valid_until, 'infinity')
  FROM patients_patientgroupobjectpermission g
  JOIN patients_patient p ON p.id = g.content_object_id
  JOIN auth_permission m ON m.id = g.permission_id AND m.codename = 'view_patient'
 WHERE p.restricted_at IS NULL;
"""

# The application may read the table and nothing else: only these triggers, run as the owner, write it.
KEEP = """
CREATE FUNCTION patient_access_from_{source}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.patient_access a USING old_rows o
     WHERE a.patient_id = o.{patient} AND a.source = {number} AND a.source_id = o.id;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO public.patient_access
           (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
    SELECT w.clinic_id, w.grantee, w.created_at, w.patient_id, w.source, w.source_id, w.valid_from, w.valid_until
      FROM public.patient_access_wanted w JOIN new_rows n ON w.source = {number} AND w.source_id = n.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_access_insert AFTER INSERT ON {table}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_{source}();
CREATE TRIGGER keep_access_update AFTER UPDATE ON {table}
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_{source}();
CREATE TRIGGER keep_access_delete AFTER DELETE ON {table}
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_{source}();
"""

SOURCES = (
    {"source": "care", "number": 1, "table": "patients_carerelationship", "patient": "patient_id"},
    {
        "source": "user_grant",
        "number": 2,
        "table": "patients_patientuserobjectpermission",
        "patient": "content_object_id",
    },
    {
        "source": "group_grant",
        "number": 3,
        "table": "patients_patientgroupobjectpermission",
        "patient": "content_object_id",
    },
)

# A restricted patient is stored and seen by nobody.
RESTRICTION = """
CREATE FUNCTION patient_access_from_restriction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.patient_access a USING new_rows n JOIN old_rows o USING (id)
   WHERE a.patient_id = n.id AND (n.restricted_at IS NULL) <> (o.restricted_at IS NULL);
  INSERT INTO public.patient_access
         (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
  SELECT w.clinic_id, w.grantee, w.created_at, w.patient_id, w.source, w.source_id, w.valid_from, w.valid_until
    FROM public.patient_access_wanted w JOIN new_rows n ON n.id = w.patient_id JOIN old_rows o ON o.id = n.id
   WHERE n.restricted_at IS NULL AND o.restricted_at IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_access_restriction AFTER UPDATE ON patients_patient
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION patient_access_from_restriction();
"""

# The access table copies created_at, and every list is ordered by it.
UNCHANGING = """
CREATE FUNCTION patient_opened_once() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'created_at of a patient never changes' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER opened_once BEFORE UPDATE ON patients_patient FOR EACH ROW
  WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION patient_opened_once();
"""

BORDER = """
SELECT zhizhi_clinic_only(t::regclass) FROM unnest(ARRAY[
  'patients_patient', 'patients_card', 'patients_twinoverride', 'patients_carerelationship',
  'patients_patientuserobjectpermission', 'patients_patientgroupobjectpermission', 'patient_access',
  'patients_portalaccess', 'patient_search', 'patient_search_person', 'patients_patienttag']) t;
SELECT zhizhi_same_clinic('patients_card', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_twinoverride', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_twinoverride', 'twin_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_carerelationship', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_carerelationship', 'team_id', 'clinics_careteam');
SELECT zhizhi_same_clinic('patients_patientuserobjectpermission', 'content_object_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_patientgroupobjectpermission', 'content_object_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_portalaccess', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('patient_search_person', 'patient_id', 'patients_patient');
SELECT zhizhi_same_clinic('patients_patienttag', 'patient_id', 'patients_patient');
ALTER TABLE patient_access ADD CONSTRAINT patient_access_same_clinic
  FOREIGN KEY (clinic_id, patient_id) REFERENCES patients_patient (clinic_id, id) ON DELETE CASCADE;
"""

RIGHTS = """
REVOKE INSERT, UPDATE, DELETE ON patient_access FROM zhizhi_app;
REVOKE INSERT, UPDATE, DELETE ON patient_access_wanted FROM zhizhi_app;
REVOKE ALL ON patient_search, patient_search_person FROM zhizhi_auditor, zhizhi_sequencer;
"""

SEALS = """
SELECT crypto_sealed_row('patients_patient');
SELECT crypto_sealed_row('patients_patienttag');
"""

# The search tables are not watched: the log would tie a random search_id to the patient opened in the same transaction.
WATCH = """
SELECT audit_watch('patients_patient');
SELECT audit_watch('patients_card');
SELECT audit_watch('patients_twinoverride');
SELECT audit_watch('patients_carerelationship');
SELECT audit_watch('patients_patientuserobjectpermission');
SELECT audit_watch('patients_patientgroupobjectpermission');
SELECT audit_watch('patients_portalaccess');
SELECT audit_watch('patients_patienttag');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0001_initial"),
        ("dbroles", "0001_initial"),
        ("audit", "0001_initial"),
        ("crypto", "0001_initial"),
        ("clinics", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL(BORDER),
        migrations.RunSQL(WANTED),
        *(migrations.RunSQL(KEEP.format(**source)) for source in SOURCES),
        migrations.RunSQL(RESTRICTION),
        migrations.RunSQL(UNCHANGING),
        migrations.RunSQL(RIGHTS),
        migrations.RunSQL(SEALS),
        migrations.RunSQL(WATCH),
    ]
