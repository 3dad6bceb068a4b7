"""Django makes its table of migrations before any of ours, so the rights that later tables get by default must be given by name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dbroles", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "GRANT SELECT ON SEQUENCE django_migrations_id_seq TO zhizhi_backup", migrations.RunSQL.noop
        ),
    ]
