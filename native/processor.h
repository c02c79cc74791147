// The instruction sets that the processor has and whose registers the system saves, by cpuid. __builtin_cpu_supports needs a
// library that Clang does not link on Windows.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace chainrule {

struct Processor {
    bool avx2 = false, avx512 = false, avx512bf16 = false;  // including the other flags of their engines (CMakeLists.txt)
};

inline Processor processor() {
    Processor found;
#if defined(__x86_64__)
    unsigned a, b, c, d, low, high;
    const auto has = [](unsigned word, int bit) { return (word >> bit & 1u) != 0; };
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, 27)) return found;  // OSXSAVE: the system saves registers by xsave
    const bool has_fma = has(c, 12);
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool saves_ymm = (low & 0x06u) == 0x06u, saves_zmm = (low & 0xe6u) == 0xe6u;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return found;
    found.avx2 = saves_ymm && has_fma && has(b, 5);
    found.avx512 = found.avx2 && saves_zmm && has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31);  // F, DQ, BW, VL
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) found.avx512bf16 = found.avx512 && has(a, 5);
#endif
    return found;
}

}  // namespace chainrule
