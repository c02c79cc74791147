#!/usr/bin/env bash
# The native engine on another system than this one, as far as a Debian machine shows it: run.sh WHAT [pytest's arguments].
#
#     clang      the module by Clang (CXX, or clang++), and tests/engines on every instruction set of the processor
#     arm        tests/platforms/step.cpp by Debian's cross compiler, run by QEMU
#     arm-tests  the module for an arm64 Debian in build/arm64, made by mmdebstrap and pip, and tests/engines under QEMU: an hour of a
#                core. With arguments they replace tests/engines
#     windows    step.cpp by Zig's Clang (python -m ziglang), run by Wine
#     mingw      the same by GCC, which builds the baseline alone
#     macos      step.cpp by Zig's Clang for both of Apple's processors, linked but not run
#
# Needs, of Debian's packages: cmake ninja-build, clang-19 | g++-aarch64-linux-gnu qemu-user mmdebstrap | wine g++-mingw-w64-x86-64;
# of PyPI's: ziglang. PYTHON: an interpreter that has nanobind and chainrule's packages, python3 unless it is set; for arm-tests
# also TARGET, one of Debian's version, /usr/bin/python3 unless it is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
what=$1
shift
python=${PYTHON:-python3}
nanobind() { "$python" -m nanobind --cmake_dir; }
build() { # FOLDER [cmake's arguments]
    local folder=build/$1
    shift
    cmake -G Ninja -S . -B "$folder" "$@" >"$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
    cmake --build "$folder"
}
step() { # FOLDER PROCESSOR SYSTEM [cmake's arguments]
    local folder=$1
    build "$folder" -DCHAINRULE_STEP=ON -DCMAKE_SYSTEM_PROCESSOR="$2" -DCMAKE_SYSTEM_NAME="$3" "${@:4}"
}
tests() { # a module's file, and what to run it with
    local module=$1
    shift
    CI=true PYTHONPATH="tests/sanitizers:src${SITE:+:$SITE}" CHAINRULE_NATIVE="$module" "$@"
}
mkdir -p build
zig="$python -m ziglang c++"
export CI=true OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} OPENBLAS_NUM_THREADS=1

case $what in
clang)
    build clang -DCMAKE_CXX_COMPILER="${CXX:-clang++}" -DPython_EXECUTABLE="$(command -v "$python")" -Dnanobind_DIR="$(nanobind)"
    tests "$(ls "$PWD"/build/clang/_native*.so)" "$python" -m pytest -q -p no:cacheprovider "${@:-tests/engines}"
    ;;
arm)
    step arm aarch64 Linux -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
    QEMU_LD_PREFIX=/usr/aarch64-linux-gnu qemu-aarch64 -cpu max build/arm/step
    ;;
arm-tests)
    root=$PWD/build/arm64
    target=${TARGET:-/usr/bin/python3}
    version=$("$target" -c 'import sys; print(*sys.version_info[:2], sep=".")')
    if [[ ! -e $root/usr/bin/python$version ]]; then
        mmdebstrap --variant=extract --arch=arm64 --include="base-files,python3,libpython$version-dev,libstdc++6" \
            "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root"
    fi
    platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64)
    [[ -d $root/site ]] || "$python" -m pip install --quiet --target "$root/site" --only-binary=:all: --python-version "$version" \
        "${platforms[@]}" hypothesis narwhals numpy pillow plotly pytest rich safetensors scikit-learn scipy threadpoolctl typer
    build arm-module -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
        -DCMAKE_CXX_FLAGS="-idirafter $root/usr/include" -DPython_EXECUTABLE="$target" -Dnanobind_DIR="$(nanobind)" \
        -DPython_INCLUDE_DIR="$root/usr/include/python$version" -DPython_SOABI="cpython-${version/./}-aarch64-linux-gnu"
    others=(--ignore tests/engines/test_xla.py --ignore tests/engines/test_shards.py --ignore tests/engines/test_torch.py)
    export QEMU_LD_PREFIX=$root PYTHONHOME=$root/usr PYTHONDONTWRITEBYTECODE=1
    export CHAINRULE_PYTHON=$root/python # for child processes: the system starts no program of another processor
    printf '#!/bin/sh\nexec qemu-aarch64 -cpu max %q "$@"\n' "$root/usr/bin/python$version" >"$CHAINRULE_PYTHON"
    chmod +x "$CHAINRULE_PYTHON"
    SITE=$root/site tests "$(ls "$PWD"/build/arm-module/_native*.so)" qemu-aarch64 -cpu max "$root/usr/bin/python$version" \
        -m pytest -q -p no:cacheprovider -m "not slow" "${others[@]}" "${@:-tests/engines}"
    ;;
windows)
    CXX="$zig -target x86_64-windows-gnu" step windows AMD64 Windows
    WINEDEBUG=-all wine build/windows/step.exe
    ;;
mingw)
    step mingw AMD64 Windows -DCMAKE_CXX_COMPILER=x86_64-w64-mingw32-g++ -DCMAKE_EXE_LINKER_FLAGS=-static
    WINEDEBUG=-all wine build/mingw/step.exe
    ;;
macos)
    CXX="$zig -target aarch64-macos" step macos-arm64 arm64 Darwin -DCMAKE_OSX_SYSROOT= -DCMAKE_OSX_ARCHITECTURES=
    CXX="$zig -target x86_64-macos" step macos-x86_64 x86_64 Darwin -DCMAKE_OSX_SYSROOT= -DCMAKE_OSX_ARCHITECTURES=
    ;;
*)
    echo "run.sh: clang, arm, arm-tests, windows, mingw or macos, not $what." >&2
    exit 2
    ;;
esac
