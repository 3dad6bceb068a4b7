"""A key that is destroyed or put out of use is a row change, so that one no event names is an alarm."""

from django.db import migrations

# The wraps of a rotation are no end of a key, and there are hundreds of thousands: of an update only what `ends` holds true for is
# told, of the row before (o) and after (n). An insert is told by the row the key seals.
ENDS = r"""
CREATE FUNCTION audit_watch_ends(tbl regclass, ends text) RETURNS void LANGUAGE plpgsql AS $watch$
DECLARE
  stem text := 'audit_row_' || left((SELECT relname FROM pg_class WHERE oid = tbl), 45);
  every_change constant text := 'WHERE o IS DISTINCT FROM n';
  told text;
BEGIN
  PERFORM audit_watch(tbl);
  EXECUTE format('DROP TRIGGER audit_watch_i ON %s; DROP FUNCTION public.%I()', tbl, stem || '_i');
  told := pg_get_functiondef(format('public.%I()', stem || '_u')::regprocedure);
  IF position(every_change IN told) = 0 THEN
    RAISE EXCEPTION 'audit_watch_ends: audit_watch(%) tells of updates in other words', tbl;
  END IF;
  EXECUTE replace(told, every_change, 'WHERE ' || ends);
END $watch$;

SELECT audit_watch_ends('subject_key', 'o.wrapped IS NOT NULL AND n.wrapped IS NULL');
SELECT audit_watch_ends('index_key', 'o.wrapped IS NOT NULL AND n.wrapped IS NULL');
SELECT audit_watch_ends('crypto_kek', $$o.state NOT IN ('hold', 'destroyed') AND n.state IN ('hold', 'destroyed')$$);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0014_names_told"), ("crypto", "0004_destroyed_for_good")]
    operations = [migrations.RunSQL(ENDS, migrations.RunSQL.noop)]
