#!/bin/sh
# Valkey with its password out of the process list: the configuration comes by standard input.
set -eu
password="$(cat "${VALKEY_PASSWORD_FILE:?}")"
exec valkey-server - <<CONF
port ${VALKEY_PORT:-6379}
dir ${VALKEY_DIR:-/data}
appendonly yes
appendfsync everysec
save ""
requirepass ${password}
CONF
