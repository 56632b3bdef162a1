#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--context "$CONTEXT")
#: end
if ! kubectl rollout status "$WORKLOAD" "${options[@]}" --timeout=10m; then
  kubectl rollout undo "$WORKLOAD" "${options[@]}"
  kubectl rollout status "$WORKLOAD" "${options[@]}" --timeout=10m
  exit 1
fi
