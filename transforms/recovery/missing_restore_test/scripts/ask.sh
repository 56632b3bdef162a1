#!/usr/bin/env bash
ask() { docker run --rm --network host "$POSTGRES" psql -XAtq -v ON_ERROR_STOP=1 -d "$RESTORED" -c "$1"; }
migrations=$(ask "select count(*) from django_migrations")
# One row of each table, whatever the tables are called. An empty table is no XML by itself, but its count is.
filled=$(ask "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
  and (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from (select 1 from %I.%I limit 1) t',
  n.nspname, c.relname), false, true, '')))[1]::text = '1'")
echo "Restored: $migrations migrations, $filled tables with rows" | tee -a "$GITHUB_STEP_SUMMARY"
if [ "$migrations" -eq 0 ] || [ "$filled" -lt 2 ]; then
  echo "::error::The restored database is empty"
  exit 1
fi
