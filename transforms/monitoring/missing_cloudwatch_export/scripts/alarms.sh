#!/usr/bin/env bash
for metric in CPUUtilization MemoryUtilization; do
  aws cloudwatch put-metric-alarm --alarm-name "$CLUSTER-$SERVICE-$metric" \
    --namespace AWS/ECS --metric-name "$metric" \
    --dimensions "Name=ClusterName,Value=$CLUSTER" "Name=ServiceName,Value=$SERVICE" \
    --statistic Average --period 300 --evaluation-periods 3 \
    --threshold 90 --comparison-operator GreaterThanThreshold \
    --alarm-actions "$TOPIC" --ok-actions "$TOPIC"
done
