"""The watch of the ledger knows its new column."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("consent", "0005_rules_of_recipients_links_requests")]
    operations = [migrations.RunSQL("SELECT audit_watch('consent_event')", migrations.RunSQL.noop)]
