#!/usr/bin/env bash
if [ -z "$DB_INSTANCE" ]; then
  echo "::error::DB_INSTANCE is empty: no database can be checked"
  exit 1
fi
found=$(aws rds describe-db-instances --db-instance-identifier "$DB_INSTANCE" --output json)
kept=$(jq -r '.DBInstances[0].BackupRetentionPeriod' <<< "$found")
encrypted=$(jq -r '.DBInstances[0].StorageEncrypted' <<< "$found")
restorable=$(jq -r '.DBInstances[0].LatestRestorableTime // empty' <<< "$found")
wrong=()
[ "$kept" -ge "$KEEP_DAYS" ] || wrong+=("backups are kept for $kept days, not $KEEP_DAYS")
[ "$encrypted" = true ] || wrong+=("the storage is not encrypted")
if [ -z "$restorable" ]; then
  wrong+=("there is nothing to restore from")
else
  age=$((($(date +%s) - $(date -d "$restorable" +%s)) / 60))
  [ "$age" -le "$MAX_AGE_MINUTES" ] || wrong+=("it can be restored to $age minutes ago, $MAX_AGE_MINUTES are allowed")
fi
for line in "${wrong[@]}"; do echo "::error::$DB_INSTANCE: $line"; done
[ "${#wrong[@]}" -eq 0 ]
echo "$DB_INSTANCE: $kept days of backups, restorable to $restorable" | tee -a "$GITHUB_STEP_SUMMARY"
