// Threefry-2x32 (Salmon et al. 2011): the same words as chainrule/core/random.py.
#pragma once

#include <cstdint>

namespace chainrule::CHAINRULE_ISA {

// (out[2i], out[2i + 1]) = threefry(key = (seed, stream), counter = (first + i, step)) for 0 <= i < count.
inline void threefry_pairs(uint32_t seed, uint32_t stream, uint32_t step, uint32_t first, int64_t count, uint32_t* out) {
    constexpr int ROTATIONS[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
    const uint32_t keys[3] = {seed, stream, seed ^ stream ^ 0x1BD11BDAu};
    constexpr int BLOCK = 64;
    uint32_t x0[BLOCK], x1[BLOCK];
    for (int64_t start = 0; start < count; start += BLOCK) {
        for (int i = 0; i < BLOCK; ++i) {
            x0[i] = first + static_cast<uint32_t>(start + i) + keys[0];
            x1[i] = step + keys[1];
        }
#pragma GCC unroll 5
        for (int group = 0; group < 5; ++group) {
#pragma GCC unroll 4
            for (int r = 0; r < 4; ++r) {
                const int rotation = ROTATIONS[group % 2][r];
                for (int i = 0; i < BLOCK; ++i) {
                    x0[i] += x1[i];
                    x1[i] = (x1[i] << rotation) | (x1[i] >> (32 - rotation));
                    x1[i] ^= x0[i];
                }
            }
            for (int i = 0; i < BLOCK; ++i) {
                x0[i] += keys[(group + 1) % 3];
                x1[i] += keys[(group + 2) % 3] + static_cast<uint32_t>(group + 1);
            }
        }
        const int64_t n = count - start < BLOCK ? count - start : BLOCK;
        for (int64_t i = 0; i < n; ++i) {
            out[2 * (start + i)] = x0[i];
            out[2 * (start + i) + 1] = x1[i];
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA
