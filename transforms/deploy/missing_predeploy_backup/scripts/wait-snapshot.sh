#!/usr/bin/env bash
# shellcheck disable=SC2154
# One waiter gives up after half an hour.
aws rds wait db-snapshot-available "${place[@]}" --db-snapshot-identifier "$snapshot" ||
  aws rds wait db-snapshot-available "${place[@]}" --db-snapshot-identifier "$snapshot"
