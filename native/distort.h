// Affine and elastic distortions of images, as chainrule/formulas/distortion.py has them.
#pragma once

#include <cstdint>
#include <vector>

namespace chainrule {

// What all images of a call have in common. Images lie as (height, width, channels).
struct Distortion {
    int64_t height, width, channels;
    double fill;       // the value around an image
    bool is_nearest;   // or that of the nearest pixel
    std::vector<float> taps;  // of the filter that smooths the random fields, an odd number; none without fields
    float alpha;       // factor of the fields
    uint32_t key;      // of their random numbers
};

enum class Pixel { uint8, float32, float64 };

// Writes the n distorted images of `in` to `out`. maps: (n, 6), rows (m00, m01, offset x, m10, m11, offset y); streams: (n,).
#define CHAINRULE_DECLARE(isa) \
    namespace chainrule::isa { \
    void distort(const Distortion& given, Pixel type, const void* in, void* out, int64_t n, const float* maps, const uint32_t* streams, int threads); \
    }
}  // namespace chainrule
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(wide)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE
