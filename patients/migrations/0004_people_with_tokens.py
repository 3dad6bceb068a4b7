"""Look-ups by token as functions: the server plans such a query once per connection, not at each search."""

from django.db import migrations

# PL/pgSQL keeps its plans; without the setting it would plan anew for every array. They run with the rights of whoever calls, so row
# security holds as in any query.
FUNCTIONS = """
CREATE FUNCTION patients_with_any(of_clinic uuid, of_index smallint, versions smallint[], tokens bigint[])
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 20 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY SELECT person.patient_id
    FROM unnest(versions, tokens) AS asked(version, token)
    JOIN public.patient_search found ON found.clinic_id = of_clinic AND found.index = of_index
                                    AND found.token = asked.token AND found.key_ver = asked.version
    JOIN public.patient_search_person person ON person.search_id = found.search_id;
END $$;

CREATE FUNCTION patients_with_all(of_clinic uuid, of_index smallint, versions smallint[], tokens bigint[])
RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 20 SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY SELECT person.patient_id
    FROM (SELECT found.search_id
            FROM unnest(versions, tokens) AS asked(version, token)
            JOIN public.patient_search found ON found.clinic_id = of_clinic AND found.index = of_index
                                            AND found.token = asked.token AND found.key_ver = asked.version
           GROUP BY found.search_id, found.key_ver
          HAVING count(*) = (SELECT count(*) FROM unnest(versions) AS each(version) WHERE each.version = found.key_ver)) whole
    JOIN public.patient_search_person person ON person.search_id = whole.search_id;
END $$;

GRANT EXECUTE ON FUNCTION patients_with_any(uuid, smallint, smallint[], bigint[]) TO zhizhi_app;
GRANT EXECUTE ON FUNCTION patients_with_all(uuid, smallint, smallint[], bigint[]) TO zhizhi_app;
"""
UNDO = """
DROP FUNCTION patients_with_any(uuid, smallint, smallint[], bigint[]);
DROP FUNCTION patients_with_all(uuid, smallint, smallint[], bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0003_files")]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
