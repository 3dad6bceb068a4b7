"""Whose rights somebody uses, and the newest patients these show, as functions: the server plans each once per connection, not for every page."""

from django.db import migrations

# They run with the rights of whoever calls, so row security holds as in any query. `patients_newest` stands on two ways to the
# same page (docs/adr/0019). Its plans are made before a limit is known: without bitmap scans they read an index in its own order and
# stop, where they would else fetch and sort every right of a grantee.
FUNCTIONS = """
CREATE FUNCTION patients_grantees(me uuid, of_clinic uuid, carers text[], moment timestamptz)
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 9 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM public.clinics_user u WHERE u.id = me AND u.is_active AND (
      (u.kind = 'staff' AND EXISTS (SELECT FROM public.clinics_staffrole r
                                     WHERE r.user_id = me AND r.clinic_id = of_clinic AND r.role = ANY (carers)))
      OR (u.kind = 'integration' AND EXISTS (SELECT FROM public.clinics_integration i
                                              WHERE i.user_id = me AND i.clinic_id = of_clinic AND i.ended_at IS NULL)))) THEN
    RETURN;
  END IF;
  RETURN NEXT me;
  RETURN QUERY
    SELECT t.id FROM public.clinics_teammember m JOIN public.clinics_careteam t ON t.id = m.team_id
     WHERE m.user_id = me AND m.valid_from <= moment AND (m.valid_until IS NULL OR m.valid_until > moment)
       AND t.clinic_id = of_clinic AND t.valid_from <= moment AND (t.valid_until IS NULL OR t.valid_until > moment)
    UNION ALL
    SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(g.group_id), 12, '0'))::uuid
      FROM public.clinics_user_groups g WHERE g.user_id = me;
END $$;

CREATE FUNCTION patients_newest(me uuid, of_clinic uuid, carers text[], moment timestamptz, only_by uuid,
                                before_at timestamptz, before_id uuid, wanted int, counted int)
RETURNS TABLE (patient_id uuid, reached int) LANGUAGE plpgsql STABLE ROWS 50
SET plan_cache_mode = force_generic_plan SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  few_grantees CONSTANT int := 8;  -- so many lists are merged; beyond, the clinic's newest rights are walked first
  walked_for_one CONSTANT int := 12;  -- rights looked at for each patient looked for, before that walk is given up
  enough CONSTANT int := greatest(wanted, counted);
  mine uuid[];
  ids uuid[];
BEGIN
  SELECT array_agg(DISTINCT g) INTO mine FROM public.patients_grantees(me, of_clinic, carers, moment) g
   WHERE only_by IS NULL OR g = only_by;
  -- A patient held by two grantees, or twice by one, counts once before each limit, else the page would come out short.
  IF cardinality(mine) > few_grantees THEN
    SELECT array_agg(page.patient_id ORDER BY page.created_at DESC, page.patient_id DESC) INTO ids FROM (
      SELECT DISTINCT w.created_at, w.patient_id FROM (
        SELECT a.created_at, a.patient_id, a.grantee, a.valid_from, a.valid_until FROM public.patient_access a
         WHERE a.clinic_id = of_clinic AND (a.created_at, a.patient_id) < (before_at, before_id)
         ORDER BY a.created_at DESC, a.patient_id DESC LIMIT walked_for_one * enough) w
       WHERE w.grantee = ANY (mine) AND w.valid_from <= moment AND w.valid_until > moment
       ORDER BY w.created_at DESC, w.patient_id DESC LIMIT enough) page;
  END IF;
  IF coalesce(cardinality(ids), 0) < enough THEN
    SELECT array_agg(page.patient_id ORDER BY page.created_at DESC, page.patient_id DESC) INTO ids FROM (
      SELECT DISTINCT newest.created_at, newest.patient_id
        FROM unnest(mine) AS each(grantee) CROSS JOIN LATERAL (
          SELECT DISTINCT a.created_at, a.patient_id FROM public.patient_access a
           WHERE a.clinic_id = of_clinic AND a.grantee = each.grantee AND a.valid_from <= moment AND a.valid_until > moment
             AND (a.created_at, a.patient_id) < (before_at, before_id)
           ORDER BY a.created_at DESC, a.patient_id DESC LIMIT enough) newest
       ORDER BY newest.created_at DESC, newest.patient_id DESC LIMIT enough) page;
  END IF;
  RETURN QUERY SELECT one, cardinality(ids) FROM unnest(ids[:wanted]) AS one;
END $$;

GRANT EXECUTE ON FUNCTION patients_grantees(uuid, uuid, text[], timestamptz) TO zhizhi_app;
GRANT EXECUTE ON FUNCTION patients_newest(uuid, uuid, text[], timestamptz, uuid, timestamptz, uuid, int, int) TO zhizhi_app;
"""
UNDO = """
DROP FUNCTION patients_newest(uuid, uuid, text[], timestamptz, uuid, timestamptz, uuid, int, int);
DROP FUNCTION patients_grantees(uuid, uuid, text[], timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0006_portalinvitation"),
        ("clinics", "0010_watch_groups"),
    ]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
