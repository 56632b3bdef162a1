#!/usr/bin/env bash
set -euo pipefail

file="$1"
echo "This replaces the database."
else
    echo "not restored" >&2
    exit 1
fi
