"""A right is looked up by the row that gives it: what one costs to write does not grow with the clinic."""

from django.db import migrations

# `patient_access_wanted` is a union of joins, and PostgreSQL takes no condition of a join into such a view: it made every right of the
# clinic for each one that was written. Inside a LATERAL that is not pulled up (OFFSET 0) the row's id is a plain value, and is taken in.
KEEP = """
CREATE OR REPLACE FUNCTION patient_access_from_{source}() RETURNS trigger
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
      FROM new_rows n CROSS JOIN LATERAL (
        SELECT * FROM public.patient_access_wanted one WHERE one.source = {number} AND one.source_id = n.id OFFSET 0) w;
  END IF;
  RETURN NULL;
END $$;
"""
SOURCES = (
    {"source": "care", "number": 1, "patient": "patient_id"},
    {"source": "user_grant", "number": 2, "patient": "content_object_id"},
    {"source": "group_grant", "number": 3, "patient": "content_object_id"},
    {"source": "glass", "number": 4, "patient": "patient_id"},
)
RESTRICTION = """
CREATE OR REPLACE FUNCTION patient_access_from_restriction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.patient_access a USING new_rows n JOIN old_rows o USING (id)
   WHERE a.patient_id = n.id AND (n.restricted_at IS NULL) <> (o.restricted_at IS NULL);
  INSERT INTO public.patient_access
         (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
  SELECT w.clinic_id, w.grantee, w.created_at, w.patient_id, w.source, w.source_id, w.valid_from, w.valid_until
    FROM new_rows n JOIN old_rows o ON o.id = n.id CROSS JOIN LATERAL (
      SELECT * FROM public.patient_access_wanted one WHERE one.patient_id = n.id OFFSET 0) w
   WHERE n.restricted_at IS NULL AND o.restricted_at IS NOT NULL;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0008_told_of_emergencies")]
    operations = [
        migrations.RunSQL(
            [*(KEEP.format(**source) for source in SOURCES), RESTRICTION], migrations.RunSQL.noop
        )
    ]
