#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--context "$CONTEXT")
#: end
if [ -z "${PREVIOUS_REVISION:-}" ]; then
  echo "::error::Nothing to go back to: no revision of $WORKLOAD was recorded before the deployment"
  exit 1
fi
kubectl rollout undo "$WORKLOAD" "${options[@]}" --to-revision="$PREVIOUS_REVISION"
kubectl rollout status "$WORKLOAD" "${options[@]}" --timeout=10m
echo "$WORKLOAD is back on revision $PREVIOUS_REVISION"
