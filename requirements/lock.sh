#!/usr/bin/env bash
# Re-makes every lock file: one resolution for all groups, then one file a group with hashes and without index names.
# Usage: make lock   (needs the dev group: uv)
set -euo pipefail
cd "$(dirname "$0")"
uv=${UV:-../.venv/bin/uv}
options=(--quiet --python-version 3.12 --no-header --no-annotate --no-emit-index-url --no-emit-find-links)
grouped=(build core torch train posttrain gguf eval quantize serve dev)

inputs=()
for group in "${grouped[@]}"; do inputs+=("$group.in"); done
"$uv" pip compile "${options[@]}" "${inputs[@]}" -o constraints.txt
for group in "${grouped[@]}"; do
    # torch and what only torch needs live in torch.txt alone, so that a machine with its own torch can skip them
    skip=()
    if [ "$group" != torch ]; then
        skip=(--no-emit-package torch --no-emit-package triton)
        for name in $(sed -nE 's/^((nvidia|cuda)-[a-z0-9-]+)==.*/\1/p' constraints.txt); do
            [ "$name" = nvidia-modelopt ] || [ "$name" = nvidia-ml-py ] || skip+=(--no-emit-package "$name")
        done
    fi
    "$uv" pip compile "${options[@]}" --generate-hashes "${skip[@]}" -c constraints.txt "$group.in" -o "$group.txt"
done
"$uv" pip compile "${options[@]}" --generate-hashes --no-deps --python-platform x86_64-manylinux_2_39 bridge.in -o bridge.txt
"$uv" pip compile "${options[@]}" --generate-hashes --no-deps peers.in -o peers.txt
