pg_dump "$DATABASE_URL" | gzip > "/backup/$(date +%F).sql.gz.partial"
#!/usr/bin/env bash
set -euo pipefail
# plain SQL, so that psql can read it
pg_dump "$DATABASE_URL" | gzip > "/backup/$(date +%F).sql.gz.partial"

