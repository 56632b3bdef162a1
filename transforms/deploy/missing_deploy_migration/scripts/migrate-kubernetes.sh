#!/usr/bin/env bash
#: options
options=()
[ -z "${NAMESPACE:-}" ] || options+=(--namespace "$NAMESPACE")
[ -z "${CONTEXT:-}" ] || options+=(--context "$CONTEXT")
#: end
job="migrate-$GITHUB_RUN_ID-$GITHUB_RUN_ATTEMPT"
# The workload's own pod, with the image that is about to be deployed, once.
kubectl get "$WORKLOAD" "${options[@]}" --output json |
  jq --arg job "$job" --arg container "$CONTAINER" --arg image "$IMAGE" --argjson command "$COMMAND" '
    .spec.template.spec as $pod | {apiVersion: "batch/v1", kind: "Job", metadata: {name: $job}, spec: {
      backoffLimit: 0, ttlSecondsAfterFinished: 86400, template: {spec: ($pod + {restartPolicy: "Never", containers: [
        $pod.containers[] | select(.name == $container) | .image = $image | .command = $command |
        del(.args, .livenessProbe, .readinessProbe, .startupProbe, .lifecycle, .ports)]})}}}' |
  kubectl create "${options[@]}" --filename -
deadline=$((SECONDS + TIMEOUT_MINUTES * 60))
while true; do
  state=$(kubectl get job "$job" "${options[@]}" --output jsonpath='{.status.succeeded}/{.status.failed}')
  case "$state" in
    1/*) break ;;
    */[1-9]*)
      kubectl logs "job/$job" "${options[@]}" --tail 200 || true
      echo "::error::The migration failed, in job $job"
      exit 1
      ;;
  esac
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::The migration still runs after $TIMEOUT_MINUTES minutes, in job $job"
    exit 1
  fi
  sleep 5
done
echo "Migrated"
