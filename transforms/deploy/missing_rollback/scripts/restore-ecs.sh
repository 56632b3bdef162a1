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
state() {
  local found
  found=$(aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \
    --query 'services[0].[taskDefinition, length(deployments)]') || return
  sed -E 's#^.*/##; s#\s+# #' <<<"$found"
}
# GitHub drops an output that holds a secret, such as the family's name: the family is still that of the service.
if [ -z "${PREVIOUS_TASK_DEFINITION:-}" ] && [ -n "${PREVIOUS_REVISION:-}" ]; then
  state=$(state)
  PREVIOUS_TASK_DEFINITION="${state%:*}:$PREVIOUS_REVISION"
fi
case "${PREVIOUS_TASK_DEFINITION:-}" in
  ?*:[0-9]*) ;;
  *)
    echo "::error::Nothing to go back to: no steady revision of $SERVICE was recorded before the deployment"
    exit 1
    ;;
esac
#: images
if [ -z "${PREVIOUS_IMAGES:-}" ]; then
  echo "::error::No running image of $SERVICE was recorded, and its revision alone does not tell what runs"
  exit 1
fi
moved=""
for entry in $PREVIOUS_IMAGES; do
  image=${entry%%=*} digest=${entry#*=}
  repository=${image%:*} tag=${image##*:}
  now=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageTag=$tag" --output text \
    --query 'images[0].imageId.imageDigest')
  if [ "$now" != "$digest" ]; then
    manifest=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageDigest=$digest" \
      --query 'images[0].imageManifest' --output text)
    media=$(aws ecr batch-get-image --repository-name "$repository" --image-ids "imageDigest=$digest" \
      --query 'images[0].imageManifestMediaType' --output text)
    aws ecr put-image --repository-name "$repository" --image-tag "$tag" --image-digest "$digest" --output text \
      --image-manifest "$manifest" --image-manifest-media-type "$media" --query image.imageId.imageTag
    echo "$image is $digest again"
    moved=yes
  fi
done
state=$(state)
if [ -z "$moved" ] && [ "$state" = "$PREVIOUS_TASK_DEFINITION 1" ] && [ "$(images "")" = "$PREVIOUS_IMAGES" ]; then
  echo "The deployment had not touched $SERVICE yet: $PREVIOUS_TASK_DEFINITION runs as before"
  exit 0
fi
aws ecs update-service --cluster "$CLUSTER" --service "$SERVICE" --task-definition "$PREVIOUS_TASK_DEFINITION" \
  --force-new-deployment --query service.status --output text
#: end
#: plain
aws ecs update-service --cluster "$CLUSTER" --service "$SERVICE" --task-definition "$PREVIOUS_TASK_DEFINITION" \
  --query service.status --output text
#: end
aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE" ||
  aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE"
state=$(state)
if [ "$state" != "$PREVIOUS_TASK_DEFINITION 1" ]; then
  echo "::error::$SERVICE is on ${state% *} in ${state#* } deployments, not on $PREVIOUS_TASK_DEFINITION alone"
  exit 1
fi
#: images
running=$(images "")
if [ "$running" != "$PREVIOUS_IMAGES" ]; then
  echo "::error::$SERVICE runs ${running:-nothing}, not $PREVIOUS_IMAGES"
  exit 1
fi
#: end
echo "$SERVICE is back on $PREVIOUS_TASK_DEFINITION"
