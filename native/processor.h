// The instruction sets that the processor has and whose registers the system saves, by cpuid. __builtin_cpu_supports needs a
// library that Clang does not link on Windows. Linux grants AMX's tiles to a process that asks for them.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace chainrule {

struct Processor {
    bool avx2 = false, avx512 = false, avx512bf16 = false, amx = false;  // including the other flags of their engines (CMakeLists.txt)
    bool vnni = false, amx_int8 = false;  // products of 8-bit integers by the engines of AVX-512 and of AMX
    bool has_fast_pairs = false;  // whether a dot product of pairs is faster than two of numbers: not on Intel's processors
    const char* no_amx = "the processor does not have it";  // why amx is false
};

inline Processor processor() {
    Processor found;
#if defined(__x86_64__)
    unsigned a, b, c, d, low, high;
    const auto has = [](unsigned word, int bit) { return (word >> bit & 1u) != 0; };
    if (__get_cpuid(0, &a, &b, &c, &d) == 0) return found;
    found.has_fast_pairs = b != 0x756e6547u;  // "Genu", of GenuineIntel
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, 27)) return found;  // OSXSAVE: the system saves registers by xsave
    const bool has_fma = has(c, 12);
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool saves_ymm = (low & 0x06u) == 0x06u, saves_zmm = (low & 0xe6u) == 0xe6u;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return found;
    found.avx2 = saves_ymm && has_fma && has(b, 5);
    found.avx512 = found.avx2 && saves_zmm && has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31);  // F, DQ, BW, VL
    found.vnni = found.avx512 && has(c, 11);
    const bool has_tiles = found.avx512 && has(d, 22) && has(d, 24);  // AMX-BF16, AMX-TILE
    const bool has_integer_tiles = has(d, 25);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) found.avx512bf16 = found.avx512 && has(a, 5);
    if (!has_tiles) return found;
    found.no_amx = "the system does not grant it";
#if defined(__linux__)
    constexpr unsigned SAVED = 0x60000u;                    // XTILECFG and XTILEDATA
    constexpr long ASK = 0x1023, TILE_DATA = 18;            // ARCH_REQ_XCOMP_PERM: for this process, its threads and children
    found.amx = (low & SAVED) == SAVED && syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
    found.amx_int8 = found.amx && has_integer_tiles;
#endif
#endif
    return found;
}

}  // namespace chainrule
