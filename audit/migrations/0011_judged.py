"""How far attribution has come: one row, which the application reads and moves on."""

from django.db import migrations

JUDGED = """
CREATE TABLE audit_attribution (
  id smallint PRIMARY KEY CHECK (id = 1), judged_below bigint NOT NULL, judged_at timestamptz NOT NULL, cluster text NOT NULL
);
INSERT INTO audit_attribution VALUES (1, 0, now(), (SELECT system_identifier::text FROM pg_control_system()));
REVOKE ALL ON audit_attribution FROM zhizhi_app;
GRANT SELECT, UPDATE ON audit_attribution TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0010_timestamps")]
    operations = [migrations.RunSQL(JUDGED, migrations.RunSQL.noop)]
