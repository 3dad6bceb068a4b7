"""A destroyed key stays destroyed: the application cannot put an older wrap back, whoever speaks through it."""

from django.db import migrations

# The owner may: that is how a dump is put back, and what was erased since is erased again from the ledger.
FOR_GOOD = """
CREATE FUNCTION crypto_refuse_revival() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a destroyed key of % stays destroyed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER crypto_destroyed_for_good BEFORE UPDATE ON subject_key FOR EACH ROW
  WHEN (OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL AND current_user = 'zhizhi_app')
  EXECUTE FUNCTION crypto_refuse_revival();
CREATE TRIGGER crypto_destroyed_for_good BEFORE UPDATE ON sealed_file FOR EACH ROW
  WHEN (OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL AND current_user = 'zhizhi_app')
  EXECUTE FUNCTION crypto_refuse_revival();
CREATE TRIGGER crypto_destroyed_for_good BEFORE UPDATE ON index_key FOR EACH ROW
  WHEN (OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL AND current_user = 'zhizhi_app')
  EXECUTE FUNCTION crypto_refuse_revival();
CREATE TRIGGER crypto_destroyed_for_good BEFORE UPDATE ON crypto_kek FOR EACH ROW
  WHEN (OLD.state = 'destroyed' AND NEW.state <> 'destroyed' AND current_user = 'zhizhi_app')
  EXECUTE FUNCTION crypto_refuse_revival();
"""


class Migration(migrations.Migration):
    dependencies = [("crypto", "0003_keys_under_a_kek")]
    operations = [
        migrations.RunSQL(FOR_GOOD, "DROP FUNCTION crypto_refuse_revival() CASCADE"),
    ]
