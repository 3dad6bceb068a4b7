"""The account of a session with its roles at work, as a function: every page asks for it, and the server plans it once per connection."""

from django.db import migrations

# Every column of account and clinic, so that whoever has one of them has it whole. Runs with the rights of whoever calls.
FUNCTION = """
CREATE FUNCTION clinics_account_at_work(account uuid)
RETURNS TABLE (
  role_id uuid, role varchar,
  password varchar, last_login timestamptz, is_superuser boolean, user_id uuid, username varchar, display_name varchar, kind varchar,
  is_staff boolean, user_is_active boolean, created_at timestamptz, sealed_email text,
  clinic_id uuid, chain_id uuid, code varchar, name varchar, short_name varchar, phone varchar, clinic_is_active boolean
) LANGUAGE plpgsql STABLE ROWS 2 SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT r.id, r.role,
           u.password, u.last_login, u.is_superuser, u.id, u.username, u.display_name, u.kind,
           u.is_staff, u.is_active, u.created_at, u.sealed_email,
           c.id, c.chain_id, c.code, c.name, c.short_name, c.phone, c.is_active
      FROM public.clinics_staffrole r
      JOIN public.clinics_user u ON u.id = r.user_id
      JOIN public.clinics_clinic c ON c.id = r.clinic_id
     WHERE r.user_id = account AND u.is_active AND c.is_active
     ORDER BY c.code, r.role;
END $$;
GRANT EXECUTE ON FUNCTION clinics_account_at_work(uuid) TO zhizhi_app;
"""


class Migration(migrations.Migration):
    dependencies = [("clinics", "0010_watch_groups")]
    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION clinics_account_at_work(uuid)")]
