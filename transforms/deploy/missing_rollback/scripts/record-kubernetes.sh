#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--context "$CONTEXT")
#: end
name=${WORKLOAD#*/}
# The newest revision that has ready pods: the last rollout may still be failing.
columns='OWNER:.metadata.ownerReferences[0].name'
columns+=',REVISION:.metadata.annotations.deployment\.kubernetes\.io/revision,READY:.status.readyReplicas'
revision=$(kubectl get replicasets "${options[@]}" --no-headers --output "custom-columns=$columns" |
  awk -v name="$name" '$1 == name && $3 + 0 > 0 { print $2 }' | sort -n | tail -n 1)
if [ -z "$revision" ]; then
  echo "::warning::$WORKLOAD has no revision with ready pods: if this deployment fails, there is nothing to go back to"
  exit 0
fi
echo "revision=$revision" >> "$GITHUB_OUTPUT"
echo "A failed deployment of $WORKLOAD goes back to revision $revision"
