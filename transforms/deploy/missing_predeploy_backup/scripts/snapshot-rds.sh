#!/usr/bin/env bash
#: options
[ -z "${REGION:-}" ] || export AWS_REGION="$REGION"
#: end
if [ -z "$DB_INSTANCE" ]; then
  echo "::error::No database instance is named, so no snapshot can be taken: set the variable that DB_INSTANCE reads"
  exit 1
fi
# A run can be repeated, and a snapshot's id is taken once.
id="pre-deploy-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
aws rds create-db-snapshot --db-instance-identifier "$DB_INSTANCE" --db-snapshot-identifier "$id" --output text \
  --query DBSnapshot.Status
echo "id=$id" >> "$GITHUB_OUTPUT"
# One waiter gives up after half an hour.
aws rds wait db-snapshot-available --db-snapshot-identifier "$id" ||
  aws rds wait db-snapshot-available --db-snapshot-identifier "$id"
echo "Snapshot $id of $DB_INSTANCE is available"
