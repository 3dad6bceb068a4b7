"""The records of keys, who may touch them, and the trigger of every sealed table."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# A key is never deleted, only destroyed (its wrapped bytes go, the record stays), and says for ever whose it is.
RIGHTS = """
SELECT zhizhi_clinic_only('crypto_kek');
SELECT zhizhi_clinic_only('subject_key');
SELECT zhizhi_clinic_only('index_key');
REVOKE UPDATE, DELETE ON crypto_kek, subject_key, index_key FROM zhizhi_app;
GRANT UPDATE (state) ON crypto_kek TO zhizhi_app;
GRANT UPDATE (clinic_id, kek_id, wrapped, destroyed_at, destroy_ref) ON subject_key TO zhizhi_app;
GRANT UPDATE (clinic_id, kek_id, wrapped, destroyed_at) ON index_key TO zhizhi_app;
REVOKE INSERT, DELETE ON crypto_epoch FROM zhizhi_app;
INSERT INTO crypto_epoch (id, counter, key_store, ledger_length, ledger_head) VALUES (1, 0, '', 0, '');
"""

# A seal is bound to its row, subject and sealing clinic: a row that changed one of them could never be opened again.
SEALED_ROW = """
CREATE FUNCTION crypto_refuse_new_place() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a sealed row of % keeps its id, subject and sealing clinic', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE FUNCTION crypto_sealed_row(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE TRIGGER crypto_sealed_row BEFORE UPDATE ON %s FOR EACH ROW '
    'WHEN ((OLD.id, OLD.subject_id, OLD.sealed_by_clinic) IS DISTINCT FROM (NEW.id, NEW.subject_id, NEW.sealed_by_clinic)) '
    'EXECUTE FUNCTION crypto_refuse_new_place()', tbl);
END $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("dbroles", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name='CryptoEpoch',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('counter', models.BigIntegerField(default=0)),
                ('key_store', models.CharField(default='', max_length=64)),
                ('ledger_length', models.BigIntegerField(default=0)),
                ('ledger_head', models.CharField(default='', max_length=64)),
            ],
            options={
                'verbose_name': 'key epoch',
                'verbose_name_plural': 'key epochs',
                'db_table': 'crypto_epoch',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='crypto_epoch_one_row')],
            },
        ),
        migrations.CreateModel(
            name='Kek',
            fields=[
                ('id', models.SmallAutoField(primary_key=True, serialize=False)),
                ('clinic_id', models.UUIDField()),
                ('suite', models.SmallIntegerField()),
                ('provider', models.CharField(max_length=20)),
                ('provider_ref', models.CharField(max_length=80, unique=True)),
                ('state', models.CharField(choices=[('active', 'in use'), ('decrypt', 'opens old keys only'), ('destroyed', 'destroyed')], default='active', max_length=10)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('not_after', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'key-encryption key',
                'verbose_name_plural': 'key-encryption keys',
                'db_table': 'crypto_kek',
                'constraints': [models.CheckConstraint(condition=models.Q(('suite__in', [1, 2])), name='crypto_kek_suite'), models.CheckConstraint(condition=models.Q(('state__in', ['active', 'decrypt', 'destroyed'])), name='crypto_kek_state'), models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('clinic_id', 'suite'), name='crypto_kek_one_active')],
            },
        ),
        migrations.CreateModel(
            name='IndexKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('clinic_id', models.UUIDField()),
                ('version', models.SmallIntegerField()),
                ('wrapped', models.BinaryField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('destroyed_at', models.DateTimeField(null=True)),
                ('kek', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crypto.kek')),
            ],
            options={
                'verbose_name': 'index key',
                'verbose_name_plural': 'index keys',
                'db_table': 'index_key',
                'constraints': [models.UniqueConstraint(fields=('clinic_id', 'version'), name='index_key_version'), models.CheckConstraint(condition=models.Q(models.Q(('destroyed_at', None), ('wrapped__isnull', False)), models.Q(('destroyed_at__isnull', False), ('wrapped', None)), _connector='OR'), name='index_key_wrapped_or_destroyed')],
            },
        ),
        migrations.CreateModel(
            name='SubjectKey',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('subject_id', models.UUIDField()),
                ('clinic_id', models.UUIDField()),
                ('scope', models.SmallIntegerField()),
                ('version', models.SmallIntegerField(default=1)),
                ('suite', models.SmallIntegerField()),
                ('wrapped', models.BinaryField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('destroyed_at', models.DateTimeField(null=True)),
                ('destroy_ref', models.UUIDField(null=True)),
                ('kek', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='crypto.kek')),
            ],
            options={
                'verbose_name': 'subject key',
                'verbose_name_plural': 'subject keys',
                'db_table': 'subject_key',
                'constraints': [models.UniqueConstraint(fields=('subject_id', 'scope', 'version'), name='subject_key_version'), models.CheckConstraint(condition=models.Q(('scope__in', [1, 2, 3])), name='subject_key_scope'), models.CheckConstraint(condition=models.Q(models.Q(('destroyed_at', None), ('wrapped__isnull', False)), models.Q(('destroyed_at__isnull', False), ('wrapped', None)), _connector='OR'), name='subject_key_wrapped_or_destroyed')],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
        migrations.RunSQL(SEALED_ROW, "DROP FUNCTION crypto_sealed_row(regclass); DROP FUNCTION crypto_refuse_new_place() CASCADE;"),
    ]
