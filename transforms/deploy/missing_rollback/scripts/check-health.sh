#!/usr/bin/env bash
for url in $HEALTH_URLS; do
  curl --fail --silent --show-error --output /dev/null --max-time 10 \
    --retry 24 --retry-delay 5 --retry-all-errors "$url"
  echo "$url is healthy"
done
