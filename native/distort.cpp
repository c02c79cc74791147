// Affine and elastic distortions of images. Compiled once for each instruction set; without FMA, for the reference's bits.
#include "distort.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <type_traits>

#include "memory.h"
#include "random.h"
#include "threads.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// One thread's room: for the random fields, and for an image with an edge around it.
template <class C>
class Distorter {
   public:
    explicit Distorter(const Distortion& given)
        : d_(given), reach_(static_cast<int64_t>(given.taps.size()) / 2), edged_((given.height + 3) * (given.width + 3) * given.channels) {
        if (d_.taps.empty()) return;
        words_.resize(2 * d_.height * d_.width);
        wide_.resize(d_.width + 2 * reach_);
        smooth_.resize((d_.height + 2 * reach_) * d_.width);
        for (auto& field : fields_) field.resize(d_.height * d_.width);
    }

    // out = in, each pixel p taking the value at matrix (p - centre) + offset + alpha * field(p), by linear interpolation.
    template <class T>
    void operator()(const T* in, T* out, const float* map, uint32_t stream) {
        const int64_t height = d_.height, width = d_.width, channels = d_.channels, across = (width + 3) * channels;
        if (!d_.taps.empty()) draw(stream);
        put_edge(in);
        const float middle_x = 0.5f * static_cast<float>(width - 1), middle_y = 0.5f * static_cast<float>(height - 1);
        for (int64_t y = 0; y < height; ++y) {
            const float down = static_cast<float>(y) - middle_y;
            for (int64_t x = 0; x < width; ++x, out += channels) {
                const float right = static_cast<float>(x) - middle_x;
                float at_x = map[0] * right + map[1] * down + (map[2] + middle_x), at_y = map[3] * right + map[4] * down + (map[5] + middle_y);
                if (!d_.taps.empty()) {
                    at_x += d_.alpha * fields_[0][y * width + x];
                    at_y += d_.alpha * fields_[1][y * width + x];
                }
                at_x = std::clamp(at_x, -1.0f, static_cast<float>(width));
                at_y = std::clamp(at_y, -1.0f, static_cast<float>(height));
                const float left = std::floor(at_x), top = std::floor(at_y);
                const C fx = static_cast<C>(at_x - left), fy = static_cast<C>(at_y - top);
                const C* corner = edged_.data() + (static_cast<int64_t>(top) + 1) * across + (static_cast<int64_t>(left) + 1) * channels;
                for (int64_t c = 0; c < channels; ++c, ++corner) {
                    const C above = (1 - fx) * corner[0] + fx * corner[channels];
                    const C below = (1 - fx) * corner[across] + fx * corner[across + channels];
                    const C value = (1 - fy) * above + fy * below;
                    if constexpr (std::is_same_v<T, uint8_t>) out[c] = static_cast<uint8_t>(std::nearbyint(value));
                    else out[c] = value;
                }
            }
        }
    }

   private:
    // The image with one pixel of edge before and two after each of its sides: `fill`, or the nearest pixel of the image.
    template <class T>
    void put_edge(const T* in) {
        const int64_t height = d_.height, width = d_.width, channels = d_.channels;
        C* to = edged_.data();
        for (int64_t y = -1; y < height + 2; ++y)
            for (int64_t x = -1; x < width + 2; ++x) {
                const bool is_inside = y >= 0 && y < height && x >= 0 && x < width;
                const T* from = in + (std::clamp<int64_t>(y, 0, height - 1) * width + std::clamp<int64_t>(x, 0, width - 1)) * channels;
                for (int64_t c = 0; c < channels; ++c) *to++ = is_inside || d_.is_nearest ? static_cast<C>(from[c]) : static_cast<C>(d_.fill);
            }
    }

    // fields_ = two fields of numbers uniform in [-1, 1), smoothed along rows and then along columns, with zeros around.
    void draw(uint32_t stream) {
        const int64_t height = d_.height, width = d_.width;
        const int taps = static_cast<int>(d_.taps.size());
        threefry_pairs(d_.key, stream, 0, 0, height * width, words_.data());
        for (int axis = 0; axis < 2; ++axis) {
            std::fill(smooth_.begin(), smooth_.end(), 0.0f);
            std::fill(wide_.begin(), wide_.end(), 0.0f);
            for (int64_t y = 0; y < height; ++y) {
                for (int64_t x = 0; x < width; ++x)
                    wide_[reach_ + x] = static_cast<float>(static_cast<int32_t>(words_[2 * (y * width + x) + axis])) * 0x1p-31f;
                float* row = smooth_.data() + (reach_ + y) * width;
                for (int t = 0; t < taps; ++t)
                    for (int64_t x = 0; x < width; ++x) row[x] += d_.taps[t] * wide_[t + x];
            }
            std::fill(fields_[axis].begin(), fields_[axis].end(), 0.0f);
            for (int64_t y = 0; y < height; ++y) {
                float* row = fields_[axis].data() + y * width;
                for (int t = 0; t < taps; ++t) {
                    const float* from = smooth_.data() + (y + t) * width;
                    for (int64_t x = 0; x < width; ++x) row[x] += d_.taps[t] * from[x];
                }
            }
        }
    }

    const Distortion& d_;
    int64_t reach_;
    Array<C> edged_;
    Array<uint32_t> words_;
    Array<float> wide_, smooth_, fields_[2];
};

template <class T, class C>
void distort_all(const Distortion& given, const void* in, void* out, int64_t n, const float* maps, const uint32_t* streams, int threads) {
    constexpr int64_t BLOCK = 16;  // images that a thread takes at a time
    const int64_t size = given.height * given.width * given.channels;
    Workers workers(static_cast<int>(std::min<int64_t>(threads, (n + BLOCK - 1) / BLOCK)));
    std::vector<Distorter<C>, Aligned<Distorter<C>>> rooms;
    rooms.reserve(workers.count());
    for (int i = 0; i < workers.count(); ++i) rooms.emplace_back(given);
    std::atomic<int64_t> next{0};
    workers.run([&](int number) {
        for (int64_t start; (start = next.fetch_add(BLOCK)) < n;)
            for (int64_t i = start; i < std::min(start + BLOCK, n); ++i)
                rooms[number](static_cast<const T*>(in) + i * size, static_cast<T*>(out) + i * size, maps + 6 * i, streams[i]);
    });
}

}  // namespace

void distort(const Distortion& given, Pixel type, const void* in, void* out, int64_t n, const float* maps, const uint32_t* streams, int threads) {
    const auto run = type == Pixel::uint8 ? distort_all<uint8_t, float> : type == Pixel::float32 ? distort_all<float, float> : distort_all<double, double>;
    run(given, in, out, n, maps, streams, threads);
}

}  // namespace chainrule::CHAINRULE_ISA
