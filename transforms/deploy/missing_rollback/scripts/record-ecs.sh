#!/usr/bin/env bash
#: options
[ -z "${REGION:-}" ] || export AWS_REGION="$REGION"
#: end
#: images
images() {
  local listed found
  listed=$(aws ecs list-tasks --cluster "$CLUSTER" --service-name "$SERVICE" --output text --query taskArns) || return
  read -r -a tasks <<<"$listed"
  [ "${tasks[0]:-None}" != None ] || return 0
  found=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "${tasks[@]}" --output text \
    --query "tasks[$1].containers[].[image, imageDigest]") || return
  # Without the registry's address, which holds the account id.
  sed -n -E 's#^[0-9]+\.dkr\.ecr\.[^/]+/([^@:[:space:]]+:[^@[:space:]]+)\s+(sha256:.*)$#\1=\2#p' <<<"$found" |
    sort -u | paste -s -d ' ' -
}
#: end
steady="[?rolloutState=='COMPLETED' || !rolloutState] | [0].[id, taskDefinition]"
found=$(aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \
  --query "services[?status=='ACTIVE'] | [0].deployments$steady")
read -r deployment previous <<<"$found"
case "${previous:-}" in
  arn:*:task-definition/*) ;;
  *)
    echo "::warning::$SERVICE has never run steadily: if this deployment fails, there is nothing to go back to"
    exit 0
    ;;
esac
# family:revision and no ARN: GitHub drops an output that holds a masked value, such as an account id.
echo "task_definition=${previous##*/}" >> "$GITHUB_OUTPUT"
# The family may hold a secret too, such as the name of a stage; the number of the revision does not.
echo "revision=${previous##*:}" >> "$GITHUB_OUTPUT"
echo "If $deployment cannot be replaced, $SERVICE goes back to ${previous##*/}"
#: images
# The service keeps its revision, and a tag of its image moves: what runs is told by the digest.
running=$(images "?startedBy=='$deployment'")
echo "images=$running" >> "$GITHUB_OUTPUT"
echo "Images that run: ${running:-none}"
#: end
