#!/usr/bin/env bash
slack() {
  curl --silent --show-error --fail --max-time 20 --output /dev/null --header 'Content-Type: application/json' \
    --data "$(jq -n --arg text "$1" '{text: $text}')" "$WEBHOOK"
}
