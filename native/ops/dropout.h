// dropout: formulas/layers/dropout.py in C++.
#pragma once

#include "../random.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
class dropout : public Operation<T> {
   public:
    using Operation<T>::Operation;
    [[gnu::cold]] void allocate(int64_t capacity) override {
        if (this->net.trains) mask_.resize(capacity * this->net.buffers[this->op.in].ld);
    }

    // out (batch, width) = a mask in training, a in prediction
    void forward(const Forward<T>& at) override {
        const bool drops = at.draw != nullptr && this->op.c0 > 0;
        if (drops) make_mask(at);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            if (drops) {
                const T* mask = &mask_[i * at.ld];
                for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] * mask[j];
            } else {
                std::copy(a, a + at.width, out);
            }
        }
    }
    // dL/da (batch, width) = delta mask
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        const bool drops = this->op.c0 > 0 && this->op.in_training;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            if (drops) {
                const T* mask = &mask_[i * at.ld];
                for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j] * mask[j]);
            } else {
                for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j]);
            }
        }
    }

   private:
    // mask = keep / (1 - rate), keep from the words of chainrule/core/random.py for (seed, stream, step), in row-major order.
    void make_mask(const Forward<T>& at) {
        const Draw& draw = *at.draw;
        const int64_t begin = draw.first, finish = begin + at.r1 - at.r0, width = at.width;
        const double rate = this->op.c0 * draw.dropout;
        const uint32_t threshold = static_cast<uint32_t>(std::min(std::nearbyint(rate * 0x1p32), 0x1p32 - 1));
        const T kept = T(1 / (1 - rate));
        constexpr int64_t CHUNK = 512;
        uint32_t words[2 * CHUNK];
        for (int64_t e = begin * width / 2 * 2; e < finish * width; e += 2 * CHUNK) {
            const int64_t pairs = std::min(CHUNK, (finish * width - e + 1) / 2);
            threefry_pairs(draw.seed, this->op.stream, draw.step, static_cast<uint32_t>(e / 2), pairs, words);
            int64_t place = std::max(e, begin * width);
            const int64_t end = std::min(e + 2 * pairs, finish * width);
            while (place < end) {
                const int64_t i = place / width, stop = std::min(end, (i + 1) * width);
                T* mask = &mask_[(at.r0 + i - begin) * at.ld];
                for (; place < stop; ++place) mask[place - i * width] = words[place - e] >= threshold ? kept : T(0);
            }
        }
    }

    Array<T> mask_;  // (batch, ld)
};

}  // namespace chainrule::CHAINRULE_ISA::ops
