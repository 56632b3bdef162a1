#!/usr/bin/env bash
if [ -z "$BACKUP_BUCKET" ]; then
  echo "::error::BACKUP_BUCKET is empty: nothing can be restored"
  exit 1
fi
# Filtered by jq: with --output text the command line applies --query to each page of 1000 objects by itself.
found=$(aws s3api list-objects-v2 --bucket "$BACKUP_BUCKET" --prefix database/ --output json)
newest=$(jq -r '[.Contents[]?.Key | select(endswith(".dump.sha256"))] | max // empty' <<< "$found")
if [ -z "$newest" ]; then
  echo "::error::There is no backup in $BACKUP_BUCKET"
  exit 1
fi
stamp=${newest##*database-} stamp=${stamp%%.*}
taken=$(date -u -d "${stamp:0:8} ${stamp:9:2}:${stamp:11:2}:${stamp:13:2}" +%s)
age=$((($(date -u +%s) - taken) / 3600))
if [ "$age" -gt "$MAX_AGE_HOURS" ]; then
  echo "::error::The newest backup is $age hours old; $MAX_AGE_HOURS are allowed"
  exit 1
fi
aws s3 cp --only-show-errors "s3://$BACKUP_BUCKET/$newest" .
aws s3 cp --only-show-errors "s3://$BACKUP_BUCKET/${newest%.sha256}" .
sha256sum --check --strict "${newest##*/}"
dump=${newest##*/} dump=${dump%.sha256}
echo "dump=$dump" >> "$GITHUB_OUTPUT"
