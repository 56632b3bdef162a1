#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--kube-context "$CONTEXT")
#: end
if [ -z "${PREVIOUS_REVISION:-}" ]; then
  echo "::error::Nothing to go back to: no revision of $RELEASE was recorded before the deployment"
  exit 1
fi
helm rollback "$RELEASE" "$PREVIOUS_REVISION" "${options[@]}" --wait --timeout 10m
echo "$RELEASE is back on revision $PREVIOUS_REVISION"
