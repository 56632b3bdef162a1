#!/usr/bin/env bash
promtool() {
  docker run --rm --volume "$PWD/$FOLDER:/rules:ro" --workdir /rules --entrypoint promtool "$IMAGE" "$@"
}
promtool check config --syntax-only @config@
promtool test rules @tests@
