#!/usr/bin/env bash
api() {
  curl --silent --show-error --fail-with-body --max-time 20 \
    --header "Authorization: Bearer $GH_TOKEN" --header 'Accept: application/vnd.github+json' "$@"
}
issues="$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues"
run="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID"
title="$GITHUB_WORKFLOW fails"
open=$(api "$issues?state=open&labels=workflow-failure&per_page=100")
number=$(jq -r --arg title "$title" '[.[] | select(.title == $title)][0].number // empty' <<<"$open")
if [ -n "$number" ]; then
  api --output /dev/null --data "$(jq -n --arg body "Failed again: $run" '{body: $body}')" "$issues/$number/comments"
else
  api --output /dev/null --data "$(jq -n --arg title "$title" --arg body "Failed: $run" \
    '{title: $title, body: $body, labels: ["workflow-failure"]}')" "$issues"
fi
