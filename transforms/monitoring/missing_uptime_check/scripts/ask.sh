#!/usr/bin/env bash
down=()
while read -r url; do
  [ -n "$url" ] || continue
  if status=$(curl --silent --show-error --location --fail --output /dev/null --write-out '%{http_code}' \
    --max-time 10 --retry 3 --retry-delay 15 --retry-all-errors "$url"); then
    echo "$url answers $status"
  else
    echo "::error::$url does not answer (${status:-000})"
    down+=("$url (${status:-000})")
  fi
done <<<"$URLS"
echo "down=$(IFS=,; echo "${down[*]}")" >>"$GITHUB_OUTPUT"
[ "${#down[@]}" -eq 0 ]
