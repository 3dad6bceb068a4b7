"""auditlog's own table is created although we replaced it: nobody may touch it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_event"), ("auditlog", "0017_add_actor_email")]
    operations = [
        migrations.RunSQL("REVOKE ALL ON auditlog_logentry FROM zhizhi_app", migrations.RunSQL.noop),
    ]
