#!/usr/bin/env bash
setting() {
  aws ecs describe-clusters --clusters "$CLUSTER" --include SETTINGS --output text \
    --query "clusters[?status=='ACTIVE'] | [0].settings[?name=='containerInsights'].value | [0]"
}
[[ $(setting) == en* ]] ||
  aws ecs update-cluster --cluster "$CLUSTER" --settings name=containerInsights,value=enhanced >/dev/null
[[ $(setting) == en* ]] || { echo "::error::$CLUSTER does not export its metrics" && exit 1; }
