"""What happened to one record is asked by its id. Openings name none, so they pay nothing for it."""

from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_seal_state")]
    operations = [
        migrations.AddIndex(
            "AuditEvent",
            HashIndex(fields=["object_pk"], condition=~models.Q(object_pk=""), name="audit_event_object"),
        )
    ]
