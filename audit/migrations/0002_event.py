"""The events. They point at accounts by number only, so deleting an account changes nothing here."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

EVENT = """
CREATE TABLE audit_event (
  uid uuid PRIMARY KEY,
  log_id uuid NOT NULL,
  clinic_id uuid,
  txid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  timestamp timestamptz NOT NULL,
  source varchar(8) NOT NULL,
  request_id varchar(64) NOT NULL,
  actor_id uuid,
  actor_ref varchar(128) NOT NULL,
  actor_kind varchar(16) NOT NULL,
  on_behalf_of varchar(128) NOT NULL,
  remote_addr inet,
  action varchar(64) NOT NULL,
  kind varchar(16) NOT NULL,
  content_type_id integer,
  object_pk varchar(255) NOT NULL,
  purpose varchar(16) NOT NULL,
  consent_decision uuid,
  relation varchar(16) NOT NULL,
  count integer,
  result varchar(64) NOT NULL,
  reason varchar(64) NOT NULL,
  changes jsonb,
  canon bytea NOT NULL,
  mac bytea NOT NULL
) PARTITION BY RANGE (uid);
CREATE INDEX audit_event_txid ON audit_event (txid, uid);
CREATE INDEX audit_event_actor ON audit_event (clinic_id, actor_ref, uid);
SELECT audit_add_partitions('audit_event', 12);

CREATE TABLE audit_event_subject (
  subject_id uuid NOT NULL, event_uid uuid NOT NULL, log_id uuid NOT NULL,
  PRIMARY KEY (subject_id, event_uid)
);
CREATE INDEX audit_event_subject_event ON audit_event_subject (event_uid, subject_id);

-- The application adds entries to its clinics' logs and to the system's, and reads its clinics' only.
DO $do$
DECLARE
  tbl text;
  own_clinics text := 'log_id = ANY (NULLIF(current_setting(''zhizhi.clinics'', true), '''')::uuid[])';
BEGIN
  FOREACH tbl IN ARRAY ARRAY['audit_event', 'audit_event_subject'] LOOP
    EXECUTE format('SELECT audit_append_only(%L)', tbl);
    EXECUTE format('REVOKE ALL ON %I FROM zhizhi_app', tbl);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO zhizhi_app', tbl);
    EXECUTE format('GRANT SELECT ON %I TO zhizhi_sequencer, zhizhi_auditor', tbl);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY clinic ON %I FOR SELECT TO zhizhi_app USING (%s)', tbl, own_clinics);
    EXECUTE format('CREATE POLICY clinic_or_system ON %I FOR INSERT TO zhizhi_app '
                   'WITH CHECK (%s OR log_id = ''00000000-0000-0000-0000-000000000000'')', tbl, own_clinics);
    EXECUTE format('CREATE POLICY whole_log ON %I FOR SELECT TO zhizhi_sequencer, zhizhi_auditor USING (true)', tbl);
  END LOOP;
END $do$;
GRANT SELECT ON django_content_type TO zhizhi_auditor;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(EVENT, migrations.RunSQL.noop)],
            state_operations=[
                migrations.CreateModel(
                    name="EventSubject",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "subject_id",
                                "event_uid",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("subject_id", models.UUIDField()),
                        ("event_uid", models.UUIDField()),
                        ("log_id", models.UUIDField()),
                    ],
                    options={
                        "verbose_name": "person concerned",
                        "verbose_name_plural": "persons concerned",
                        "db_table": "audit_event_subject",
                        "indexes": [
                            models.Index(fields=["event_uid", "subject_id"], name="audit_event_subject_event")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditEvent",
                    fields=[
                        ("uid", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("log_id", models.UUIDField()),
                        ("clinic_id", models.UUIDField(null=True)),
                        ("txid", models.BigIntegerField(editable=False)),
                        ("timestamp", models.DateTimeField(verbose_name="time")),
                        ("source", models.CharField(max_length=8)),
                        ("request_id", models.CharField(max_length=64)),
                        ("actor_ref", models.CharField(max_length=128, verbose_name="who")),
                        ("actor_kind", models.CharField(max_length=16)),
                        ("on_behalf_of", models.CharField(max_length=128)),
                        ("remote_addr", models.GenericIPAddressField(blank=True, null=True)),
                        ("action", models.CharField(max_length=64, verbose_name="what")),
                        ("kind", models.CharField(max_length=16, verbose_name="kind of opening")),
                        ("object_pk", models.CharField(max_length=255)),
                        ("purpose", models.CharField(max_length=16, verbose_name="purpose")),
                        ("consent_decision", models.UUIDField(null=True)),
                        ("relation", models.CharField(max_length=16)),
                        ("count", models.IntegerField(null=True)),
                        ("result", models.CharField(max_length=64)),
                        ("reason", models.CharField(max_length=64)),
                        ("changes", models.JSONField(null=True)),
                        ("canon", models.BinaryField()),
                        ("mac", models.BinaryField()),
                        (
                            "actor",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                                verbose_name="account",
                            ),
                        ),
                        (
                            "content_type",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to="contenttypes.contenttype",
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "log entry",
                        "verbose_name_plural": "log entries",
                        "db_table": "audit_event",
                        "ordering": ["-uid"],
                        "get_latest_by": "uid",
                        "indexes": [
                            models.Index(fields=["txid", "uid"], name="audit_event_txid"),
                            models.Index(fields=["clinic_id", "actor_ref", "uid"], name="audit_event_actor"),
                        ],
                    },
                ),
            ],
        )
    ]
