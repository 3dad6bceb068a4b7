"""A log may have a second tree over the same entries, hashed another way: every table of trees says which one it means."""

from django.db import migrations, models

TABLES = {
    "audit_node": "level, place",
    "audit_checkpoint": "size",
    "audit_cosig": "size, witness",
    "audit_state": "",
}
HASHINGS = "hashing IN ('sha256', 'sm3')"


def columns() -> str:
    """The trees that stand there are SHA-256's."""
    return "\n".join(
        f"ALTER TABLE {table} ADD COLUMN hashing varchar(6) NOT NULL DEFAULT 'sha256' CHECK ({HASHINGS}),"
        f" DROP CONSTRAINT {table}_pkey,"
        f" ADD PRIMARY KEY (log_id, year, hashing{', ' + rest if rest else ''});"
        for table, rest in TABLES.items()
    )


def composite(*names: str) -> models.CompositePrimaryKey:
    return models.CompositePrimaryKey(
        "log_id", "year", "hashing", *names, blank=True, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_object_index")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(columns(), migrations.RunSQL.noop)],
            state_operations=[
                operation
                for model, names in {
                    "node": ("level", "place"),
                    "checkpoint": ("size",),
                    "cosignature": ("size", "witness"),
                }.items()
                for operation in (
                    migrations.AddField(model, "hashing", models.CharField(max_length=6, default="sha256")),
                    migrations.AlterField(model, "pk", composite(*names)),
                )
            ],
        )
    ]
