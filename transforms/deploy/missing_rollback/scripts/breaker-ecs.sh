#!/usr/bin/env bash
# shellcheck disable=SC2154
aws ecs update-service --cluster "$CLUSTER" --service "$SERVICE" --query service.serviceName --output text \
  --deployment-configuration "$configuration"
