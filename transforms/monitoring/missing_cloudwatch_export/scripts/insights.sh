#!/usr/bin/env bash
setting() {
  aws ecs describe-clusters --clusters "$CLUSTER" --include SETTINGS --output text \
    --query "clusters[?status=='ACTIVE'] | [0].settings[?name=='containerInsights'].value | [0]"
}
if [[ $(setting) != en* ]]; then # neither enabled nor enhanced
  aws ecs update-cluster --cluster "$CLUSTER" --settings name=containerInsights,value=enhanced >/dev/null
fi
now=$(setting)
echo "Container Insights of $CLUSTER: $now"
if [[ $now != en* ]]; then
  echo "::error::$CLUSTER does not export its metrics"
  exit 1
fi
