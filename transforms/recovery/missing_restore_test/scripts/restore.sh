#!/usr/bin/env bash
docker run --rm --network host --volume "$PWD:/backup" --workdir /backup "$POSTGRES" \
  pg_restore --exit-on-error --no-owner --no-privileges --dbname "$RESTORED" "$DUMP"
