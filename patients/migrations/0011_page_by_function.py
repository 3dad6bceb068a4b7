"""A page of the list, and the teams above it, as functions: the server plans each once per connection, not for every page."""

from django.db import migrations

# They run with the rights of whoever calls, so row security holds as in any query. Of a page's keys only those come that its reader
# cannot know: the clinic is the one that was asked for, and nearly everybody is their own subject, sealed by their own clinic.
FUNCTIONS = """
CREATE FUNCTION patients_page(me uuid, of_clinic uuid, carers text[], moment timestamptz, only_by uuid,
                              before_at timestamptz, before_id uuid, wanted int, counted int)
RETURNS TABLE (
  id uuid, other_subject uuid, sealed_elsewhere uuid, service_number varchar, sex varchar, birth_year smallint, phone_owner varchar,
  identity bytea, watched boolean, watched_for bytea, created_at timestamptz, reached int
) LANGUAGE plpgsql STABLE ROWS 50 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT p.id, nullif(p.subject_id, p.id), nullif(p.sealed_by_clinic, p.clinic_id), p.service_number, p.sex, p.birth_year,
           p.phone_owner, p.identity, p.watched, p.watched_for, p.created_at, n.reached
      FROM public.patients_newest(me, of_clinic, carers, moment, only_by, before_at, before_id, wanted, counted) n
      JOIN public.patients_patient p ON p.id = n.patient_id
     WHERE p.clinic_id = of_clinic AND p.restricted_at IS NULL
     ORDER BY p.created_at DESC, p.id DESC;
END $$;

CREATE FUNCTION patients_teams(me uuid, of_clinic uuid, carers text[], moment timestamptz)
RETURNS TABLE (id uuid, name varchar) LANGUAGE plpgsql STABLE ROWS 3 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT t.id, t.name FROM public.patients_grantees(me, of_clinic, carers, moment) AS g(grantee)
      JOIN public.clinics_careteam t ON t.id = g.grantee ORDER BY t.name;
END $$;

GRANT EXECUTE ON FUNCTION patients_page(uuid, uuid, text[], timestamptz, uuid, timestamptz, uuid, int, int) TO zhizhi_app;
GRANT EXECUTE ON FUNCTION patients_teams(uuid, uuid, text[], timestamptz) TO zhizhi_app;
"""
UNDO = """
DROP FUNCTION patients_teams(uuid, uuid, text[], timestamptz);
DROP FUNCTION patients_page(uuid, uuid, text[], timestamptz, uuid, timestamptz, uuid, int, int);
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0010_two_people_for_a_link")]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
