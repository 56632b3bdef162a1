#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--context "$CONTEXT")
#: end
kubectl rollout status "$WORKLOAD" "${options[@]}" --timeout=10m
