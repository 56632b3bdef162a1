#!/usr/bin/env bash
for name in DATABASE_URL BACKUP_BUCKET; do
  if [ -z "${!name}" ]; then
    echo "::error::$name is empty: nothing can be backed up"
    exit 1
  fi
done
case $DATABASE_URL in
  postgres://* | postgresql://*) ;;
  *)
    echo "::error::pg_dump reads addresses that begin with postgres://, and DATABASE_URL does not"
    exit 1
    ;;
esac
# The client of the server's own version: an older one refuses, a newer one writes what that version cannot restore.
client() { docker run --rm --network host --env DATABASE_URL --volume "$PWD:/backup" --workdir /backup "$POSTGRES" "$@"; }
dump="database-$(date -u +%Y%m%dT%H%M%SZ).dump"
# shellcheck disable=SC2016 # expanded in the container, so that no command line of the runner shows the URL
client sh -c 'pg_dump --format=custom --no-owner --no-privileges --file="$0" "$DATABASE_URL"' "$dump"
# Reads every byte; `pg_restore --list` reads the table of contents alone, and passes a dump that was cut off.
client pg_restore --file=/dev/null "$dump"
tables=$(client pg_restore --list "$dump" | grep -c ' TABLE DATA ' || true)
if [ "$tables" -eq 0 ]; then
  echo "::error::The dump holds no table's data"
  exit 1
fi
sha256sum "$dump" > "$dump.sha256"
to="s3://$BACKUP_BUCKET/database"
aws s3 cp --only-show-errors "$dump" "$to/$dump"
# Last: a backup counts once its checksum is there.
aws s3 cp --only-show-errors "$dump.sha256" "$to/$dump.sha256"
echo "$dump: $tables tables, $(stat --format=%s "$dump") bytes" | tee -a "$GITHUB_STEP_SUMMARY"

# Old ones go only when a new one is safe, and the newest seven stay in any case.
before="database/database-$(date -u -d "-$KEEP_DAYS days" +%Y%m%dT%H%M%SZ)"
found=$(aws s3api list-objects-v2 --bucket "$BACKUP_BUCKET" --prefix database/ --output json)
jq -r --arg before "$before" \
  '[.Contents[]?.Key | select(endswith(".dump"))] | sort | .[:-7][] | select(. < $before)' <<< "$found" |
  while read -r key; do
    aws s3 rm --only-show-errors "s3://$BACKUP_BUCKET/$key.sha256"
    aws s3 rm --only-show-errors "s3://$BACKUP_BUCKET/$key"
  done
