#!/bin/sh
# Secrets come as files: SECRET_KEY_FILE names the one whose text becomes SECRET_KEY, and so on. Then the command takes
# the place of this shell, so that it gets the signals.
set -eu
for name in DATABASE_URL SECRET_KEY BOOKJOB_JWT_KEYS BOOKJOB_MAIL_URL BOOKJOB_METRICS_TOKEN; do
    eval "file=\${${name}_FILE:-}"
    if [ -n "$file" ]; then
        value=$(cat "$file")
        export "$name=$value"
    fi
done
exec "$@"
