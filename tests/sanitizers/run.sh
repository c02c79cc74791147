#!/usr/bin/env bash
# The native engine under sanitizers: `make sanitize`. Builds the module twice, with AddressSanitizer and
# UndefinedBehaviorSanitizer and with ThreadSanitizer, and runs the engine's tests on each: run.sh PYTHON [pytest's arguments].
# With --build-only in their place it runs no test, and with --inputs it prints what the files are that a finding depends on,
# as a checksum. passed.txt has that of the last run without a finding: continuous integration leaves out a run that would only
# repeat it.
# SETS: the instruction sets for the first two, "avx2;wide" unless it is set; continuous integration takes one, a quarter of
# the random networks, looks for faults of memory in the tests that step on almost every branch, and for races only in the
# tests that are about threads.
#
# The xla engine, JAX and PyTorch, of which nothing is built here, are left out. Any finding ends the process; --capture=sys lets
# the report through. Nothing is suppressed. Leaks are not looked for: CPython keeps memory on purpose.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=$1
shift
passed=tests/sanitizers/passed.txt
inputs() {
    git ls-files -z -- native CMakeLists.txt src/chainrule/engines tests/{engines,sanitizers,support} ":!$passed" |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}
[[ ${1-} != --inputs ]] || { inputs; exit 0; }
export CXX=${CXX:-g++}
export PYTHONPATH=tests/sanitizers:src # sitecustomize.py there: _native is the module that CHAINRULE_NATIVE names
export PYTHONMALLOC=malloc         # each object by itself, so that a step beyond it is seen
unset PYTHONDONTWRITEBYTECODE      # a sanitized interpreter compiles slowly what it imports: once is enough
export OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1 # two threads on any machine, and none of another library's
export CI=true                                  # the same examples in every run
export ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:detect_leaks=0:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:exitcode=66:die_after_fork=0 # tests fork

# A Python that was not built with a sanitizer needs its runtime loaded first, and libstdc++ where that can see it throw.
runtime() {
    local path
    path=$("$CXX" -print-file-name="$1")
    [[ $path == /* ]] || { echo "$CXX has no $1: make sanitize needs GCC's sanitizers, on Linux." >&2; exit 1; }
    echo "$path"
}

# ThreadSanitizer maps memory to fixed places, which random addresses may occupy; not everywhere may they be turned off.
fixed=()
if setarch "$(uname -m)" --addr-no-randomize true 2>/dev/null; then
    fixed=(setarch "$(uname -m)" --addr-no-randomize)
fi

# Two instruction sets to step out of bounds on, with the vectors of AVX2 and of AVX-512; races are those of any. The engine is
# one long file for the compiler, so both modules are built at the same time.
x86=$([[ $(uname -m) == x86_64 ]] && echo yes || echo no)
build() { # KIND SETS
    local folder=build/sanitize-${1%%,*}
    [[ $x86 == yes ]] || set -- "$1" baseline
    cmake -G Ninja -S . -B "$folder" -DCHAINRULE_SANITIZE="$1" -DCHAINRULE_SETS="$2" -DPython_EXECUTABLE="$python" \
        -Dnanobind_DIR="$("$python" -m nanobind --cmake_dir)" && cmake --build "$folder"
}
mkdir -p build
build thread avx2 >build/sanitize-thread.log 2>&1 &
threads=$!
echo "=== building"
build address,undefined "${SETS:-avx2;wide}" >build/sanitize-address.log 2>&1 || { cat build/sanitize-address.log; exit 1; }
wait "$threads" || { cat build/sanitize-thread.log; exit 1; }
[[ ${1-} != --build-only ]] || exit 0

others=(--ignore tests/engines/test_xla.py --ignore tests/engines/test_shards.py --ignore tests/engines/test_torch.py -k "not jax")
# Chosen by what they pass: with a module built by --coverage -O0, GCC's counters were read and reset after each test. Of the
# 35,030 that are above zero after any of the 671 tests (a branch of one instance of a template is one), these 235 tests have
# 99.5 %, in half of the time; the greedy choice of single tests has 100 % in three fifths. Of the rest most are in products
# of few rows, of unusual widths, and of a batch's entries.
e=tests/engines
branches=(
    $e/test_{distort,end_of_session,faults,kernels,layout,ops,random_networks,samples,threads}.py
    $e/test_entries.py::test_{every_rule,shapes}
    $e/test_native.py::test_a_batch_too_large_for_the_cache
    $e/test_native.py::test_a_bound_model_answers_one_row_with_the_bits_of_a_batch
    $e/test_native.py::test_bf16_rounds_what_goes_into_a_product_and_nothing_else
    $e/test_native.py::test_one_row_of_a_large_network_on_many_threads
    $e/test_native.py::test_samples_that_are_mostly_zero_train_as_the_whole
    $e/test_native.py::test_the_same_bits_on_every_instruction_set_that_fuses
)
races=($e/test_{distort,faults,interrupts,processes,random_networks,samples,threads}.py)
for kind in address thread; do
    echo "=== $kind"
    tests=($e)
    if [[ -n ${SETS-} ]]; then
        # Of Python's imports, in processes that take seconds to start.
        others+=(--deselect $e/test_threads.py::test_a_limit_counts_in_a_fit_whichever_is_imported_first)
        if [[ $kind == address ]]; then tests=("${branches[@]}"); else tests=("${races[@]}"); fi
    fi
    CHAINRULE_NATIVE=$(ls "$PWD/build/sanitize-$kind"/_native*.so)
    export CHAINRULE_NATIVE
    preload="$(runtime "lib${kind:0:1}san.so") $(runtime libstdc++.so)"
    LD_PRELOAD=$preload "$python" -c \
        'import os, chainrule.engines.native._native as native; assert native.__file__ == os.environ["CHAINRULE_NATIVE"]'
    LD_PRELOAD=$preload ${fixed[@]+"${fixed[@]}"} "$python" -m pytest -q -p no:cacheprovider --capture=sys \
        -m "not slow" "${others[@]}" --numprocesses auto "${tests[@]}" "$@"
done
# pytest's own arguments may leave out any test.
(($#)) || ! git rev-parse --git-dir >/dev/null 2>&1 || inputs >"$passed"
