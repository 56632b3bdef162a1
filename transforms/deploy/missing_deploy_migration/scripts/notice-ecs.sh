#!/usr/bin/env bash
# shellcheck disable=SC2154
#: started
# run-task succeeds also where it starts nothing.
read -r task reason <<<"$started"
if [ "$task" = None ]; then
  echo "::error::The migration was not started: $reason"
  exit 1
fi
#: end
#: assigned
# run-task succeeds also where it starts nothing.
if [[ "$task" != arn:* ]]; then
  echo "::error::The migration was not started"
  exit 1
fi
#: end
#: wait
# One waiter gives up after ten minutes.
aws ecs wait tasks-stopped "${place[@]}" --tasks "$task" ||
  aws ecs wait tasks-stopped "${place[@]}" --tasks "$task"
#: end
#: read
code=$(aws ecs describe-tasks "${place[@]}" --tasks "$task" --output text \
  --query "$QUERY")
if [ "$code" != 0 ]; then
  echo "::error::The migration failed with exit code $code"
  exit 1
fi
#: end
