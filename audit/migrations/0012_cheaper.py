"""The same entries for less: an event is written by one function whose plan is kept, a row change by one statement."""

from django.db import migrations

# Every column of an event is a copy of a part of `canon`; here the database makes the copies. It runs with the caller's rights.
WRITE = """
CREATE FUNCTION audit_write(canon bytea, mac bytea, content_type integer, changes jsonb) RETURNS void
LANGUAGE plpgsql AS $fn$
DECLARE
  e jsonb := convert_from(canon, 'UTF8')::jsonb;
BEGIN
  INSERT INTO public.audit_event (
    uid, log_id, clinic_id, timestamp, source, request_id, actor_id, actor_ref, actor_kind, on_behalf_of, remote_addr, action, kind,
    content_type_id, object_pk, purpose, consent_decision, relation, vip, count, wrote, result, reason, changes, canon, mac
  ) VALUES (
    (e->>'uid')::uuid, (e->>'log')::uuid, (e->>'clinic')::uuid, (e->>'at')::timestamptz, e->>'source', e->>'request',
    (e->>'account')::uuid, e->>'actor', e->>'actor_kind', e->>'behalf', (e->>'address')::inet, e->>'action', e->>'kind',
    content_type, coalesce(e->'object'->>'id', ''), e->>'purpose', (e->>'decision')::uuid, e->>'relation', (e->>'vip')::boolean,
    (e->>'count')::integer, nullif(e->'wrote', '[]'), e->>'result', e->>'reason', changes, canon, mac
  );
  IF e->'subjects' <> '[]' THEN
    INSERT INTO public.audit_event_subject (subject_id, event_uid, log_id)
    SELECT subject::uuid, (e->>'uid')::uuid, (e->>'log')::uuid FROM jsonb_array_elements_text(e->'subjects') AS subject;
  END IF;
END $fn$;
GRANT EXECUTE ON FUNCTION audit_write(bytea, bytea, integer, jsonb) TO zhizhi_app;
"""

# As in 0001, but what is written goes into the log by the statement that gathers it, without a loop and without a call for each log.
WATCH = r"""
CREATE OR REPLACE FUNCTION audit_watch(tbl regclass) RETURNS void LANGUAGE plpgsql AS $watch$
DECLARE
  plain text := (SELECT relname FROM pg_class WHERE oid = tbl);
  stem text := 'audit_row_' || left(plain, 45);
  new_uid text := CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'uuidv7()' ELSE 'public.audit_uuid7()' END;
  keys name[];
  columns name[];
  log_of_new text := 'NULL::uuid';
  log_of_old text := 'NULL::uuid';
  key_of_new text;
  key_of_old text;
  same_key text;
  changed text;
  digest_of_new text := $q$'"' || encode(sha256(convert_to(n::text, 'UTF8')), 'hex') || '"'$q$;
  digest_of_old text := $q$'"' || encode(sha256(convert_to(o::text, 'UTF8')), 'hex') || '"'$q$;
  op text;
  rows_of text;
BEGIN
  SELECT array_agg(a.attname ORDER BY k.place) INTO keys
    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place), pg_attribute a
    WHERE i.indrelid = tbl AND i.indisprimary AND a.attrelid = tbl AND a.attnum = k.attnum;
  IF keys IS NULL THEN
    RAISE EXCEPTION 'audit_watch: % has no primary key', plain;
  END IF;
  SELECT array_agg(attname ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = tbl AND attnum > 0 AND NOT attisdropped;
  IF 'clinic_id' = ANY (columns) THEN
    log_of_new := 'n.clinic_id';
    log_of_old := 'o.clinic_id';
  END IF;
  SELECT string_agg(format('n.%I::text', c), $q$ || ',' || $q$), string_agg(format('o.%I::text', c), $q$ || ',' || $q$),
         string_agg(format('o.%1$I = n.%1$I', c), ' AND ')
    INTO key_of_new, key_of_old, same_key FROM unnest(keys) AS c;
  SELECT string_agg(format('CASE WHEN o.%1$I IS DISTINCT FROM n.%1$I THEN %2$L END', c, to_json(c::text)::text), ', ')
    INTO changed FROM unnest(columns) AS c;

  FOREACH op IN ARRAY ARRAY['I', 'U', 'D'] LOOP
    rows_of := CASE op
      WHEN 'I' THEN format('SELECT %s AS log, %s AS key, ''[]'' AS cols, %s AS new, ''null'' AS old FROM new_rows n',
                           log_of_new, key_of_new, digest_of_new)
      WHEN 'D' THEN format('SELECT %s AS log, %s AS key, ''[]'' AS cols, ''null'' AS new, %s AS old FROM old_rows o',
                           log_of_old, key_of_old, digest_of_old)
      ELSE format('SELECT coalesce(%s, %s) AS log, coalesce(%s, %s) AS key,
                     ''['' || array_to_string(ARRAY[%s]::text[], '','') || '']'' AS cols,
                     coalesce(%s, ''null'') AS new, coalesce(%s, ''null'') AS old
                   FROM old_rows o FULL JOIN new_rows n ON %s WHERE o IS DISTINCT FROM n',
                  log_of_new, log_of_old, key_of_new, key_of_old, changed, digest_of_new, digest_of_old, same_key)
    END;
    EXECUTE format($make$
      CREATE OR REPLACE FUNCTION public.%1$I() RETURNS trigger
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
      BEGIN
        INSERT INTO public.audit_row_change (uid, log_id, txid, timestamp, actor_ref, tbl, op, row_count, canon)
        SELECT w.uid, w.log, w.tx, w.at, w.actor, %3$L, %4$L, cardinality(w.changed), convert_to(
          '{"actor":' || to_json(w.actor)
          || ',"at":"' || to_char(w.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
          || '","count":' || cardinality(w.changed)
          || ',"digest":"' || encode(sha256(convert_to(array_to_string(w.changed, ','), 'UTF8')), 'hex')
          || '","log":"' || w.log || %5$L || array_to_string(w.changed[1:500], ',') || %6$L || w.tx
          || ',"uid":"' || w.uid || '","v":1}', 'UTF8')
        FROM (
          SELECT %7$s AS uid, clock_timestamp() AS at, pg_current_xact_id()::text::bigint AS tx,
                 coalesce(current_setting('zhizhi.actor', true), '') AS actor,
                 coalesce(r.log, '00000000-0000-0000-0000-000000000000') AS log,
                 array_agg('{"cols":' || cols || ',"new":' || r.new || ',"old":' || r.old || ',"pk":' || to_json(key) || '}'
                           ORDER BY key) AS changed
          FROM (%2$s) AS r GROUP BY r.log ORDER BY r.log OFFSET 0
        ) AS w;
        RETURN NULL;
      END $fn$ $make$, stem || '_' || lower(op), rows_of, plain, op,
      format('","op":"%s","rows":[', op), format('],"table":%s,"tx":', to_json(plain)), new_uid);
    EXECUTE format('COMMENT ON FUNCTION public.%I() IS %L', stem || '_' || lower(op), array_to_string(columns, ','));
    EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION public.%I()',
      'audit_watch_' || lower(op),
      CASE op WHEN 'I' THEN 'INSERT' WHEN 'U' THEN 'UPDATE' ELSE 'DELETE' END,
      tbl,
      CASE op WHEN 'I' THEN 'NEW TABLE AS new_rows' WHEN 'D' THEN 'OLD TABLE AS old_rows'
              ELSE 'OLD TABLE AS old_rows NEW TABLE AS new_rows' END,
      stem || '_' || lower(op));
  END LOOP;
  EXECUTE format('CREATE OR REPLACE TRIGGER audit_watch_t BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', tbl);
END $watch$;

SELECT audit_watch(tgrelid) FROM pg_trigger WHERE tgname = 'audit_watch_i';
DROP FUNCTION audit_write_row_change(text, text, uuid, text[]);
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_judged")]
    operations = [migrations.RunSQL(WRITE + WATCH, migrations.RunSQL.noop)]
