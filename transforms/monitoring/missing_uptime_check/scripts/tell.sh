#!/usr/bin/env bash
api() {
  curl --silent --show-error --fail-with-body --max-time 20 \
    --header "Authorization: Bearer $GH_TOKEN" --header 'Accept: application/vnd.github+json' "$@"
}
issues="$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues"
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
title="Down: $DOWN"
open=$(api "$issues?state=open&labels=uptime" | jq -r '[.[] | select(.title | startswith("Down: "))][0].number // empty')
if [ "$ASKED" = failure ] && [ -z "$open" ]; then
  jq -n --arg title "$title" --arg body "Seen by $run. Closed when every address answers again." \
    '{title: $title, body: $body, labels: ["uptime"]}' | api --output /dev/null --data @- "$issues"
  # opened
elif [ "$ASKED" = failure ]; then
  api --output /dev/null --request PATCH --data "$(jq -n --arg title "$title" '{title: $title}')" "$issues/$open"
elif [ "$ASKED" = success ] && [ -n "$open" ]; then
  api --output /dev/null --data "$(jq -n --arg body "Every address answers again: $run" '{body: $body}')" \
    "$issues/$open/comments"
  api --output /dev/null --request PATCH --data '{"state": "closed"}' "$issues/$open"
  # closed
fi
