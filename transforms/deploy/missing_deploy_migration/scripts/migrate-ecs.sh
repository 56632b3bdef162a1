#!/usr/bin/env bash
#: options
[ -z "${REGION:-}" ] || export AWS_REGION="$REGION"
#: end
service() {
  aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --query "services[0].$1" --output "${2:-text}"
}
#: service
revision=$(service taskDefinition)
#: end
#: file
# What a task definition is described with, and cannot be registered with.
described='del(.taskDefinitionArn, .revision, .status, .requiresAttributes, .compatibilities, .registeredAt,
  .registeredBy, .deregisteredAt) | with_entries(select(.value != null and .value != []))'
revision=$(aws ecs register-task-definition --cli-input-json "$(jq "$described" "$TASK_DEFINITION_FILE")" \
  --query taskDefinition.taskDefinitionArn --output text)
#: end
#: named
revision="$TASK_DEFINITION"
#: end
#: container
name="$CONTAINER"
#: end
#: found
name=$(service 'loadBalancers[0].containerName')
if [ "$name" = None ]; then
  name=$(aws ecs describe-task-definition --task-definition "$revision" --output text \
    --query 'taskDefinition.containerDefinitions[].name')
fi
if [ -z "$name" ] || [[ "$name" = *[[:space:]]* ]]; then
  echo "::error::$SERVICE has several containers ($name), and nothing says which one migrates"
  exit 1
fi
#: end
options=()
network=$(service networkConfiguration json)
[ "$network" = null ] || options+=(--network-configuration "$network")
launch=$(service launchType)
strategy=$(service capacityProviderStrategy json)
if [ "$launch" != None ]; then
  options+=(--launch-type "$launch")
elif [ "$strategy" != null ] && [ "$strategy" != "[]" ]; then
  options+=(--capacity-provider-strategy "$strategy")
fi
#: environment
overrides=$(printf '{"containerOverrides": [{"name": "%s", "command": %s, "environment": %s}]}' \
  "$name" "$COMMAND" "$ENVIRONMENT")
#: end
#: command
overrides=$(printf '{"containerOverrides": [{"name": "%s", "command": %s}]}' "$name" "$COMMAND")
#: end
# run-task succeeds also where it starts nothing; then it says why among its failures.
started=$(aws ecs run-task --cluster "$CLUSTER" --task-definition "$revision" --count 1 --overrides "$overrides" \
  "${options[@]}" --query '[tasks[0].taskArn, failures[0].reason]' --output text)
read -r task reason <<<"$started"
if [ "$task" = None ]; then
  echo "::error::The migration was not started: $reason"
  exit 1
fi
echo "Migrating with ${revision##*/} in task ${task##*/}"
deadline=$((SECONDS + TIMEOUT_MINUTES * 60))
# The waiter gives up after ten minutes, and a migration may need longer.
until aws ecs wait tasks-stopped --cluster "$CLUSTER" --tasks "$task"; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "::error::The migration still runs after $TIMEOUT_MINUTES minutes, in task ${task##*/}"
    exit 1
  fi
  sleep 5
done
ended=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "$task" --output text \
  --query "tasks[0].[containers[?name=='$name'] | [0].exitCode, stoppedReason]")
read -r code reason <<<"$ended"
logs=$(aws ecs describe-task-definition --task-definition "$revision" --output text \
  --query "taskDefinition.containerDefinitions[?name=='$name'] | [0].logConfiguration.options.\"awslogs-group\"")
echo "Logs: group ${logs/None/of the container}, stream ending in $name/${task##*/}"
if [ "$code" != 0 ]; then
  echo "::error::The migration failed with exit code ${code/None/unknown}: $reason"
  exit 1
fi
echo "Migrated"
