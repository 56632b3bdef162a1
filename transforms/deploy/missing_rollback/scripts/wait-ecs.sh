#!/usr/bin/env bash
#: options
[ -z "${REGION:-}" ] || export AWS_REGION="$REGION"
#: end
primary() {
  aws ecs describe-services --cluster "$CLUSTER" --services "$SERVICE" --output text \
    --query "services[0].deployments[?status=='PRIMARY'] | [0].id"
}
started=$(primary)
# One waiter gives up after ten minutes.
steady() { aws ecs wait services-stable --cluster "$CLUSTER" --services "$SERVICE"; }
if ! steady && ! steady; then
  echo "::error::$SERVICE was not steady within twenty minutes"
  exit 1
fi
# A circuit breaker that goes back by itself also ends steady, with a deployment of its own.
if [ "$(primary)" != "$started" ]; then
  echo "::error::$SERVICE is steady, but not on what was deployed: ECS went back by itself"
  exit 1
fi
