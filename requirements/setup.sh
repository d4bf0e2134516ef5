#!/usr/bin/env bash
# Makes or updates .venv from the lock files. Does nothing for a group that is already installed from the same lock.
# Usage: requirements/setup.sh [GROUP ...]      default: every group that the recipes use
# Environment: PYTHON=path of a Python 3.12, KISHI_VENV=folder (default .venv)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${KISHI_VENV:-.venv}
[[ $venv == /* ]] || venv=$PWD/$venv
groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(core torch train bridge posttrain gguf eval serve)
unset PIP_CONSTRAINT # NGC images pin their own versions there; .venv is separate from theirs

die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
is_312() { "$1" -c 'import sys; raise SystemExit(sys.version_info[:2] != (3, 12))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.12 python3 python \
        /usr/bin/python3.12 /usr/local/bin/python3.12 /opt/*/bin/python3.12 "$HOME"/.pyenv/versions/3.12*/bin/python \
        "$HOME"/.local/share/uv/python/cpython-3.12*/bin/python3 "$HOME"/*conda3/envs/*/bin/python3.12; do
        if [ -n "$candidate" ] && is_312 "$candidate"; then command -v "$candidate"; return; fi
    done
    die "no Python 3.12 found. Install one (Debian/Ubuntu: apt-get install python3.12 python3.12-venv; elsewhere: pyenv install 3.12 or uv python install 3.12) or name it: make setup PYTHON=/path/to/python3.12"
}

make_venv() {
    local python options=()
    python=$(find_python)
    # a container's own torch (NGC: built for its CUDA, with Transformer Engine) is used instead of a second one
    if "$python" -c 'import torch' >/dev/null 2>&1; then options=(--system-site-packages); fi
    echo "setup: $("$python" --version) at $python -> $venv"
    "$python" -m venv "${options[@]}" "$venv" || die "could not make $venv (Debian/Ubuntu: apt-get install python3.12-venv)"
    # NeMo images keep their packages in a virtual environment, which one made from it does not see by itself
    if [ ${#options[@]} -gt 0 ] && "$python" -c 'import sys; raise SystemExit(sys.prefix == sys.base_prefix)'; then
        site_of "$python" >"$(site_of "$venv/bin/python")/machine.pth"
    fi
}

site_of() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

need_compiler() {
    command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
        die "no C++ compiler, needed to build llama-cpp-python (Debian/Ubuntu: apt-get install build-essential)"
}

install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes "$@"; }

# NVIDIA tags this wheel for glibc 2.39, but what training imports of it is pure Python; older versions break Megatron-Core
install_bridge() {
    local site
    awk '/^nvidia-resiliency-ext/{take=1} /^[a-z]/&&!/^nvidia-resiliency-ext/{take=0} take' requirements/bridge.txt >"$venv/resiliency.txt"
    awk '/^nvidia-resiliency-ext/{take=0} /^[a-z]/&&!/^nvidia-resiliency-ext/{take=1} take' requirements/bridge.txt >"$venv/engine.txt"
    site=$(site_of "$venv/bin/python")
    install -r "$venv/engine.txt"
    install --platform "manylinux_2_39_$(uname -m)" --only-binary=:all: --upgrade --target "$site" -r "$venv/resiliency.txt"
}

install_group() {
    case $1 in
    bridge) install_bridge ;;
    gguf)
        need_compiler
        # only the library that the bindings load: no command-line tools, no image projector
        CMAKE_ARGS="-DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE=$PWD/requirements/llama-build.cmake ${CMAKE_ARGS:-}" \
            PATH="$venv/bin:$PATH" CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) \
            install --no-build-isolation --no-cache-dir --force-reinstall -r requirements/gguf.txt # an old build has other options
        ;;
    *) install --no-build-isolation -r "requirements/$1.txt" ;;
    esac
}

# what decides what a group installs: when it changes, the group is installed again
definition() {
    cat "requirements/$1.txt"
    if [ "$1" = gguf ]; then cat requirements/llama-build.cmake; fi
}

system_torch() { grep -q 'include-system-site-packages = true' "$venv/pyvenv.cfg"; }

[ -x "$venv/bin/python" ] && is_312 "$venv/bin/python" || make_venv
mkdir -p "$venv/installed"
for group in build "${groups[@]}"; do
    lock=requirements/$group.txt
    [ -f "$lock" ] || die "no such group: $group (there are: $(cd requirements && ls ./*.in | sed 's|./||; s|\.in||' | tr '\n' ' '))"
    definition "$group" | cmp -s - "$venv/installed/$group.txt" && continue
    if [ "$group" = torch ] && system_torch; then echo "setup: torch is the machine's own"; continue; fi
    echo "setup: installing $group ($(grep -c == "$lock") packages)"
    start=$SECONDS
    install_group "$group" || die "installing $group failed: see the lines above. Running 'make setup' again goes on from here."
    definition "$group" >"$venv/installed/$group.txt"
    echo "setup: $group took $((SECONDS - start)) s"
done
echo "setup: ready ($venv)"
