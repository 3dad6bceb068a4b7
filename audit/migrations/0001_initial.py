"""What the other apps' migrations lean on: row changes by statement triggers, and tables that only grow.

The events themselves come in 0002, because they point at accounts and accounts are watched by the functions made here.
"""

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

# PostgreSQL 18 has uuidv7(); before it we set version and variant bits ourselves, with 12 bits below the millisecond.
UUID7 = """
DO $do$
BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    CREATE FUNCTION audit_uuid7() RETURNS uuid LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS 'SELECT uuidv7()';
  ELSE
    CREATE FUNCTION audit_uuid7() RETURNS uuid LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
    DECLARE
      micros bigint := floor(extract(epoch FROM clock_timestamp()) * 1000000);
      stamp bytea := decode(lpad(to_hex(micros / 1000), 12, '0') || '7' || lpad(to_hex((micros % 1000) * 4096 / 1000), 3, '0'), 'hex');
      chance bytea := substr(uuid_send(gen_random_uuid()), 9, 8);
    BEGIN
      RETURN encode(stamp || chance, 'hex')::uuid;
    END $fn$;
  END IF;
END $do$;
"""

REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
  RAISE EXCEPTION '% on % is refused: this table only grows', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $fn$;

CREATE FUNCTION audit_append_only(tbl regclass) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  EXECUTE format('CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION audit_refuse()', tbl);
  EXECUTE format('CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', tbl);
  EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM zhizhi_app', tbl);
END $fn$;
"""

# A month's partition begins at the UUIDv7 of its first millisecond. TRUNCATE guards are not inherited and default
# rights reach partitions too, so each one is guarded and closed by hand; readers and writers go through the parent.
PARTITIONS = """
CREATE FUNCTION audit_first_uuid(month date) RETURNS uuid LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
  SELECT (lpad(to_hex((extract(epoch FROM month::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$fn$;

CREATE FUNCTION audit_close_partition(part regclass) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
  EXECUTE format('REVOKE ALL ON %s FROM zhizhi_app, zhizhi_sequencer, zhizhi_auditor', part);
  EXECUTE format('CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', part);
END $fn$;

CREATE FUNCTION audit_add_partitions(parent regclass, ahead int) RETURNS int LANGUAGE plpgsql AS $fn$
DECLARE
  month date := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month';
  last date := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
  part text;
  stray bool;
  made int := 0;
BEGIN
  IF to_regclass(format('public.%s_other', parent)) IS NULL THEN
    EXECUTE format('CREATE TABLE %s_other PARTITION OF %s DEFAULT', parent, parent);
    PERFORM audit_close_partition(format('%s_other', parent)::regclass);
  END IF;
  WHILE month <= last LOOP
    part := format('%s_%s', parent, to_char(month, 'YYYYMM'));
    IF to_regclass('public.' || part) IS NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM %s_other WHERE uid >= %L AND uid < %L)', parent,
                     audit_first_uuid(month), audit_first_uuid((month + interval '1 month')::date)) INTO stray;
      IF stray THEN
        RAISE WARNING 'no partition %: its month already has rows in %_other', part, parent;
      ELSE
        EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%L) TO (%L)', part, parent,
                       audit_first_uuid(month), audit_first_uuid((month + interval '1 month')::date));
        PERFORM audit_close_partition(part::regclass);
        made := made + 1;
      END IF;
    END IF;
    month := month + interval '1 month';
  END LOOP;
  RETURN made;
END $fn$;
"""

# The bytes of `canon` are RFC 8785 JSON: keys sorted, no spaces, `to_json` escapes as the RFC does.
ROW_CHANGE = """
CREATE TABLE audit_row_change (
  uid uuid PRIMARY KEY,
  log_id uuid NOT NULL,
  txid bigint NOT NULL,
  timestamp timestamptz NOT NULL,
  actor_ref text NOT NULL,
  tbl text NOT NULL,
  op text NOT NULL,
  row_count integer NOT NULL,
  canon bytea NOT NULL
) PARTITION BY RANGE (uid);
CREATE INDEX audit_row_change_txid ON audit_row_change (txid, uid);
SELECT audit_add_partitions('audit_row_change', 12);
SELECT audit_append_only('audit_row_change');
REVOKE ALL ON audit_row_change FROM zhizhi_app;
GRANT SELECT ON audit_row_change TO zhizhi_app, zhizhi_sequencer, zhizhi_auditor;
ALTER TABLE audit_row_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY clinic ON audit_row_change FOR SELECT TO zhizhi_app
  USING (log_id = ANY (NULLIF(current_setting('zhizhi.clinics', true), '')::uuid[]));
CREATE POLICY whole_log ON audit_row_change FOR SELECT TO zhizhi_sequencer, zhizhi_auditor USING (true);

CREATE FUNCTION audit_write_row_change(tbl text, op text, log uuid, changed text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
  uid uuid := public.audit_uuid7();
  at timestamptz := clock_timestamp();
  tx bigint := pg_current_xact_id()::text::bigint;
  actor text := coalesce(current_setting('zhizhi.actor', true), '');
  log_id uuid := coalesce(log, '00000000-0000-0000-0000-000000000000');
BEGIN
  INSERT INTO public.audit_row_change (uid, log_id, txid, timestamp, actor_ref, tbl, op, row_count, canon)
  VALUES (uid, log_id, tx, at, actor, tbl, op, cardinality(changed), convert_to(
    '{"actor":' || to_json(actor)
    || ',"at":"' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '","count":' || cardinality(changed)
    || ',"digest":"' || encode(sha256(convert_to(array_to_string(changed, ','), 'UTF8')), 'hex')
    || '","log":"' || log_id
    || '","op":"' || op
    || '","rows":[' || array_to_string(changed[1:500], ',')
    || '],"table":' || to_json(tbl)
    || ',"tx":' || tx
    || ',"uid":"' || uid
    || '","v":1}', 'UTF8'));
END $fn$;
"""

# One function per table and operation, with its columns written out: three times cheaper than a generic one.
# FULL JOIN sees a changed key; the WHERE leaves out saves that changed nothing. Called again, it replaces what it made.
WATCH = r"""
CREATE FUNCTION audit_watch(tbl regclass) RETURNS void LANGUAGE plpgsql AS $watch$
DECLARE
  plain text := (SELECT relname FROM pg_class WHERE oid = tbl);
  stem text := 'audit_row_' || left(plain, 45);
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
      DECLARE
        entry record;
      BEGIN
        FOR entry IN
          SELECT log, array_agg('{"cols":' || cols || ',"new":' || r.new || ',"old":' || r.old || ',"pk":' || to_json(key) || '}'
                                ORDER BY key) AS changed
          FROM (%2$s) AS r GROUP BY log ORDER BY log
        LOOP
          PERFORM public.audit_write_row_change(%3$L, %4$L, entry.log, entry.changed);
        END LOOP;
        RETURN NULL;
      END $fn$ $make$, stem || '_' || lower(op), rows_of, plain, op);
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
"""

# What the sequencer writes: leaves in their order, the roots of complete subtrees of 256, 65,536 … leaves, signed
# checkpoints and what a witness said of them; and how far it has come. A log is one clinic's (or the system's, whose
# number is zero) in one year.
SEALS = """
CREATE TABLE audit_leaf (
  log_id uuid NOT NULL, year smallint NOT NULL, leaf_index bigint NOT NULL,
  uid uuid NOT NULL UNIQUE, source varchar(1) NOT NULL CHECK (source IN ('e', 'r', 'c')),
  leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
  PRIMARY KEY (log_id, year, leaf_index)
);
CREATE TABLE audit_node (
  log_id uuid NOT NULL, year smallint NOT NULL, level smallint NOT NULL, place bigint NOT NULL,
  hash bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (log_id, year, level, place)
);
CREATE TABLE audit_checkpoint (
  log_id uuid NOT NULL, year smallint NOT NULL, size bigint NOT NULL,
  root bytea NOT NULL CHECK (length(root) = 32), note text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (log_id, year, size)
);
CREATE TABLE audit_cosig (
  log_id uuid NOT NULL, year smallint NOT NULL, size bigint NOT NULL, witness text NOT NULL,
  line text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (log_id, year, size, witness)
);
CREATE TABLE audit_state (
  log_id uuid NOT NULL, year smallint NOT NULL, origin text NOT NULL UNIQUE, size bigint NOT NULL, frontier bytea[] NOT NULL,
  PRIMARY KEY (log_id, year)
);
CREATE TABLE audit_horizon (
  id smallint PRIMARY KEY CHECK (id = 1), sealed_below bigint NOT NULL, cluster text NOT NULL
);
DO $do$
DECLARE
  tbl text;
BEGIN
  FOREACH tbl IN ARRAY ARRAY['audit_leaf', 'audit_node', 'audit_checkpoint', 'audit_cosig', 'audit_state', 'audit_horizon'] LOOP
    EXECUTE format('REVOKE ALL ON %I FROM zhizhi_app', tbl);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO zhizhi_sequencer', tbl);
    EXECUTE format('GRANT SELECT ON %I TO zhizhi_auditor', tbl);
    EXECUTE format('GRANT SELECT ON %I TO zhizhi_app', tbl);
    IF tbl NOT IN ('audit_state', 'audit_horizon') THEN  -- how many entries each log has is no secret
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tbl);
      EXECUTE format('CREATE POLICY clinic ON %I FOR SELECT TO zhizhi_app USING '
                     '(log_id = ANY (NULLIF(current_setting(''zhizhi.clinics'', true), '''')::uuid[]))', tbl);
      EXECUTE format('CREATE POLICY sealing ON %I TO zhizhi_sequencer USING (true) WITH CHECK (true)', tbl);
      EXECUTE format('CREATE POLICY whole_log ON %I FOR SELECT TO zhizhi_auditor USING (true)', tbl);
    END IF;
    IF tbl IN ('audit_state', 'audit_horizon') THEN
      EXECUTE format('GRANT UPDATE ON %I TO zhizhi_sequencer', tbl);
    ELSE
      EXECUTE format('SELECT audit_append_only(%L)', tbl);
    END IF;
  END LOOP;
END $do$;
"""


def in_state(*operations: Operation, sql: str) -> migrations.SeparateDatabaseAndState:
    """Django learns the models, PostgreSQL runs our own statements."""
    return migrations.SeparateDatabaseAndState(
        database_operations=[migrations.RunSQL(sql, migrations.RunSQL.noop)], state_operations=list(operations)
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("dbroles", "0001_initial")]
    operations = [
        migrations.RunSQL(UUID7 + REFUSE + PARTITIONS, migrations.RunSQL.noop),
        in_state(
            migrations.CreateModel(
                name='RowChange',
                fields=[
                    ('uid', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                    ('log_id', models.UUIDField()),
                    ('txid', models.BigIntegerField()),
                    ('timestamp', models.DateTimeField()),
                    ('actor_ref', models.TextField()),
                    ('tbl', models.TextField()),
                    ('op', models.TextField()),
                    ('row_count', models.IntegerField()),
                    ('canon', models.BinaryField()),
                ],
                options={
                    'verbose_name': 'row change',
                    'verbose_name_plural': 'row changes',
                    'db_table': 'audit_row_change',
                    'indexes': [models.Index(fields=['txid', 'uid'], name='audit_row_change_txid')],
                },
            ),
            sql=ROW_CHANGE,
        ),
        migrations.RunSQL(WATCH, migrations.RunSQL.noop),
        in_state(
            migrations.CreateModel(
                name='Leaf',
                fields=[
                    ('pk', models.CompositePrimaryKey('log_id', 'year', 'leaf_index', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('log_id', models.UUIDField()),
                    ('year', models.SmallIntegerField()),
                    ('leaf_index', models.BigIntegerField()),
                    ('uid', models.UUIDField(unique=True)),
                    ('source', models.CharField(max_length=1)),
                    ('leaf_hash', models.BinaryField()),
                ],
                options={
                    'verbose_name': 'sealed entry',
                    'verbose_name_plural': 'sealed entries',
                    'db_table': 'audit_leaf',
                },
            ),
            migrations.CreateModel(
                name='Node',
                fields=[
                    ('pk', models.CompositePrimaryKey('log_id', 'year', 'level', 'place', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('log_id', models.UUIDField()),
                    ('year', models.SmallIntegerField()),
                    ('level', models.SmallIntegerField()),
                    ('place', models.BigIntegerField()),
                    ('hash', models.BinaryField()),
                ],
                options={
                    'verbose_name': 'subtree',
                    'verbose_name_plural': 'subtrees',
                    'db_table': 'audit_node',
                },
            ),
            migrations.CreateModel(
                name='Checkpoint',
                fields=[
                    ('pk', models.CompositePrimaryKey('log_id', 'year', 'size', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('log_id', models.UUIDField()),
                    ('year', models.SmallIntegerField()),
                    ('size', models.BigIntegerField()),
                    ('root', models.BinaryField()),
                    ('note', models.TextField()),
                    ('created_at', models.DateTimeField()),
                ],
                options={
                    'verbose_name': 'checkpoint',
                    'verbose_name_plural': 'checkpoints',
                    'db_table': 'audit_checkpoint',
                },
            ),
            migrations.CreateModel(
                name='Cosignature',
                fields=[
                    ('pk', models.CompositePrimaryKey('log_id', 'year', 'size', 'witness', blank=True, editable=False, primary_key=True, serialize=False)),
                    ('log_id', models.UUIDField()),
                    ('year', models.SmallIntegerField()),
                    ('size', models.BigIntegerField()),
                    ('witness', models.TextField()),
                    ('line', models.TextField()),
                    ('created_at', models.DateTimeField()),
                ],
                options={
                    'verbose_name': 'cosignature',
                    'verbose_name_plural': 'cosignatures',
                    'db_table': 'audit_cosig',
                },
            ),
            sql=SEALS,
        ),
    ]
