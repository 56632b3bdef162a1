#!/usr/bin/env bash
if [ -z "$WEBHOOK" ]; then
  echo "::error::The secret @secret@ is empty, so nobody is told"
  exit 1
fi
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
text="$GITHUB_WORKFLOW failed in $GITHUB_REPOSITORY on $GITHUB_REF_NAME: $run"
message=$(jq -n --arg text "$text" '{text: $text}')
curl --silent --show-error --fail --max-time 20 --retry 3 \
  --header 'Content-Type: application/json' --data "$message" "$WEBHOOK"
