# Two images: `app` runs every process of Zhizhi, `proxy` is Caddy without root. Built by `docker compose build`.

# Front-end files by npm, each compared with the version and SHA-256 that tools/assets.py knows.
FROM node:24-bookworm-slim AS assets
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY tools/assets.py tools/
RUN python3 tools/assets.py

# Python packages from the hash-locked file, messages, and the front-end files under their hashed names.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gettext && rm -rf /var/lib/apt/lists/*
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt /tmp/
RUN pip install --require-hashes --requirement /tmp/requirements.txt && python -m compileall -q /opt/venv
WORKDIR /opt/zhizhi
COPY . .
COPY --from=assets /build/static/vendor static/vendor
COPY --from=assets /build/fonts fonts
RUN django-admin compilemessages --locale zh_Hans
# Production's settings want a whole environment; these values live as long as this command and reach no server.
RUN DJANGO_SETTINGS_MODULE=config.settings.production \
    SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    ALLOWED_HOSTS=build.invalid AUDIT_LOG_ORIGIN=build.invalid TRUSTED_PROXIES=127.0.0.1 \
    SMTP_HOST=build.invalid MAIL_FROM=build@build.invalid KEYS_DIR=/tmp FILES_DIR=/tmp KEY_TABLES_DIR=/tmp \
    DATABASE_URL=postgres://zhizhi_app@build.invalid/zhizhi REDIS_URL=redis://build.invalid:6379 \
    python manage.py collectstatic --noinput && python -m compileall -q .

FROM python:3.11-slim-bookworm AS app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    DJANGO_SETTINGS_MODULE=config.settings.production
# Named volumes take the owner of the folder they first cover. `no-keys` and `no-files` are for processes that need none.
RUN groupadd --gid 10001 zhizhi && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin zhizhi \
    && groupadd --gid 10002 witness && useradd --uid 10002 --gid 10002 --no-create-home --shell /usr/sbin/nologin witness \
    && install -d -o zhizhi -g zhizhi -m 0700 /var/lib/zhizhi/keys /var/lib/zhizhi/files /var/lib/zhizhi/key-tables \
    && install -d -o zhizhi -g zhizhi -m 0755 /var/lib/zhizhi/sequencer /var/lib/zhizhi/log-public /var/lib/zhizhi/ledger-public \
    && install -d -o witness -g witness -m 0700 /var/lib/zhizhi/witness \
    && install -d -o witness -g witness -m 0755 /var/lib/zhizhi/witness-public \
    && install -d -m 0555 /var/lib/zhizhi/no-keys /var/lib/zhizhi/no-files
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/zhizhi /opt/zhizhi
WORKDIR /opt/zhizhi
USER 10001:10001

# The copy drops the file capability of the binary: it listens on high ports and starts without any capability.
FROM caddy:2-alpine AS proxy
RUN cp /usr/bin/caddy /usr/bin/caddy-plain && mv /usr/bin/caddy-plain /usr/bin/caddy \
    && mkdir -p /data /config && chown 10003:10003 /data /config
COPY deploy/Caddyfile /etc/caddy/Caddyfile
USER 10003:10003
