"""Files brought in; the clinic's border, the seals and the log of row changes."""

import crypto.fields
import crypto.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('dbroles', '0001_initial'),
        ('crypto', '0001_initial'),
        ('audit', '0001_initial'),
        ('clinics', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ImportBatch',
            fields=[
                ('id', models.UUIDField(default=crypto.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('subject_id', models.UUIDField(editable=False)),
                ('sealed_by_clinic', models.UUIDField(editable=False)),
                ('kind', models.CharField(choices=[('fhir_r4', 'FHIR R4 bundle')], default='fhir_r4', max_length=16, verbose_name='kind of file')),
                ('state', models.CharField(choices=[('tried', 'Tried, nothing written'), ('written', 'Written'), ('discarded', 'Put aside')], max_length=12, verbose_name='state')),
                ('size', models.PositiveIntegerField(verbose_name='size in bytes')),
                ('uploaded_at', models.DateTimeField(verbose_name='uploaded at')),
                ('decided_at', models.DateTimeField(blank=True, null=True, verbose_name='settled at')),
                ('content', crypto.fields.SealedText(aad_name='import_batch.content', field_set='clinical', null=True, scope=1, verbose_name='file')),
                ('outcome', crypto.fields.SealedJSON(aad_name='import_batch.outcome', editable=False, field_set='clinical', null=True, scope=2, verbose_name='outcome')),
                ('clinic', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='clinics.clinic', verbose_name='clinic')),
                ('uploaded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='uploaded by')),
            ],
            options={
                'verbose_name': 'import',
                'verbose_name_plural': 'imports',
                'indexes': [models.Index(fields=['clinic', '-uploaded_at'], name='import_batch_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['tried', 'written', 'discarded'])), name='import_batch_state_known'), models.CheckConstraint(condition=models.Q(('kind__in', ['fhir_r4'])), name='import_batch_kind_known'), models.CheckConstraint(condition=models.Q(('state', 'tried'), ('content__isnull', True), _connector='OR'), name='import_batch_emptied_once_decided')],
            },
        ),
        migrations.RunSQL(
            "SELECT zhizhi_clinic_only('exchange_importbatch');"
            "SELECT crypto_sealed_row('exchange_importbatch');"
            "SELECT audit_watch('exchange_importbatch');",
            migrations.RunSQL.noop,
        ),
    ]
