"""Keys of one key-encryption key in the order of their ids: how a change of keys walks through them, a page at a time."""

import django.db.models.deletion
from django.db import migrations, models

UNDER_A_KEK = models.ForeignKey(
    db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crypto.kek"
)


class Migration(migrations.Migration):
    dependencies = [("crypto", "0002_files_jobs_and_hold")]
    operations = [
        migrations.AddIndex(
            model_name="subjectkey", index=models.Index(fields=["kek", "id"], name="subject_key_under_kek")
        ),
        migrations.AddIndex(
            model_name="sealedfile", index=models.Index(fields=["kek", "id"], name="sealed_file_under_kek")
        ),
        migrations.AlterField(model_name="subjectkey", name="kek", field=UNDER_A_KEK),
        migrations.AlterField(model_name="sealedfile", name="kek", field=UNDER_A_KEK.clone()),
    ]
