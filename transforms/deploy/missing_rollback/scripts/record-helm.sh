#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--kube-context "$CONTEXT")
#: end
revision=$(helm history "$RELEASE" "${options[@]}" --output json 2>/dev/null |
  jq -r '[.[] | select(.status == "deployed")][-1].revision // empty' || true)
if [ -z "$revision" ]; then
  echo "::warning::$RELEASE was never deployed: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "revision=$revision" >> "$GITHUB_OUTPUT"
echo "A failed deployment of $RELEASE goes back to revision $revision"
