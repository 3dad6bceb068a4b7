"""An event says what it wrote and whether somebody well known is concerned; a change that no event names is an alarm."""

from django.db import migrations, models

COLUMNS = "ALTER TABLE audit_event ADD COLUMN vip boolean NOT NULL DEFAULT false, ADD COLUMN wrote jsonb"
RULES = {
    "seal.broken": "A protected value cannot be read",
    "decoy.opened": "A decoy was opened",
    "change.unattributed": "Rows were changed and no event says by whom or why",
}


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_alarms")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(COLUMNS, migrations.RunSQL.noop)],
            state_operations=[
                migrations.AddField("auditevent", "vip", models.BooleanField(default=False)),
                migrations.AddField("auditevent", "wrote", models.JSONField(null=True)),
            ],
        ),
        migrations.RemoveConstraint("alarm", "audit_alarm_rule_known"),
        migrations.AlterField(
            "alarm",
            "rule",
            models.CharField(choices=[*RULES.items()], max_length=32, verbose_name="what happened"),
        ),
        migrations.AddConstraint(
            "alarm",
            models.CheckConstraint(name="audit_alarm_rule_known", condition=models.Q(rule__in=[*RULES])),
        ),
    ]
