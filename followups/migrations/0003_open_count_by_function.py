"""How much waits for somebody, as a function: every page of staff asks, and the server plans it once per connection."""

from django.db import migrations

# It runs with the rights of whoever calls, so row security holds. Mine and due, and the critical ones of everybody I may see.
FUNCTION = """
CREATE FUNCTION followups_open_count(me uuid, of_clinic uuid, carers text[], moment timestamptz, due_by date, most int)
RETURNS int LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  mine uuid[] := ARRAY(SELECT public.patients_grantees(me, of_clinic, carers, moment));
BEGIN
  -- OFFSET 0: rights are looked up for the few to-dos that are left, never gathered for everybody somebody sees.
  RETURN (SELECT count(*) FROM (
    SELECT FROM public.followups_followup f
     WHERE f.clinic_id = of_clinic AND f.state IN ('open', 'waiting')
       AND (f.urgency = 'class_a' OR f.assignee_id = me AND f.due_on <= due_by)
       AND EXISTS (SELECT FROM public.patient_access a
                    WHERE a.patient_id = f.patient_id AND a.grantee = ANY (mine) AND a.clinic_id = of_clinic
                      AND a.valid_from <= moment AND a.valid_until > moment OFFSET 0)
     LIMIT most) counted);
END $$;
GRANT EXECUTE ON FUNCTION followups_open_count(uuid, uuid, text[], timestamptz, date, int) TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("followups", "0002_rules"), ("patients", "0007_newest_by_function")]
    operations = [
        migrations.RunSQL(
            FUNCTION,
            "DROP FUNCTION followups_open_count(uuid, uuid, text[], timestamptz, date, int)",
        )
    ]
