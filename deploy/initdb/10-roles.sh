#!/bin/sh
# Run once by the PostgreSQL image, when its data folder is new: the five roles of config/dbroles/roles.py and the
# database. psql reads each password from its secret file, so none stands on a command line.
set -eu
secrets="${SECRETS_DIR:-/run/secrets}"
for role in owner app sequencer auditor backup; do
  test -s "$secrets/zhizhi_${role}_password" || { echo "No password in $secrets/zhizhi_${role}_password" >&2; exit 1; }
done
SECRETS="$secrets" psql --set=ON_ERROR_STOP=1 --no-psqlrc --quiet \
  --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$SECRETS/zhizhi_owner_password"`
CREATE ROLE zhizhi_owner LOGIN PASSWORD :'password';
\set password `cat "$SECRETS/zhizhi_app_password"`
CREATE ROLE zhizhi_app LOGIN PASSWORD :'password';
\set password `cat "$SECRETS/zhizhi_sequencer_password"`
CREATE ROLE zhizhi_sequencer LOGIN PASSWORD :'password';
\set password `cat "$SECRETS/zhizhi_auditor_password"`
CREATE ROLE zhizhi_auditor LOGIN PASSWORD :'password';
\set password `cat "$SECRETS/zhizhi_backup_password"`
CREATE ROLE zhizhi_backup LOGIN BYPASSRLS PASSWORD :'password';
CREATE DATABASE zhizhi OWNER zhizhi_owner ENCODING 'UTF8' TEMPLATE template0;
SQL
