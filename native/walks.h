// The two walks over the program, for some rows of the batch: chainrule/layers/ in C++.
#pragma once

#include "epilogues.h"
#include "objective.h"
#include "random.h"
#include "samples.h"
#include "session.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t FEW_ROWS = 256;            // at most, of a member
constexpr int64_t WORTH_WAITING = 1 << 19;  // products of an operation, for sharing its columns to be worth two barriers

// a0 = scale X[rows] + offset for rows r0 to r1 of the buffers, in the network's precision: the only copy that is made of the samples.
template <class T>
void Engine<T>::gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Following following) {
    Buffer<T>& input = buffers_[0];
    const Target<T> to{input.a.data(), input.ld, input.width, T(program_.scale), T(program_.offset)};
    if (samples.type == 0)
        gather_as<uint8_t>(samples, rows, r0, r1, following, to);
    else if (samples.type == 1)
        gather_as<float>(samples, rows, r0, r1, following, to);
    else
        gather_as<double>(samples, rows, r0, r1, following, to);
    if (input.is_multiplied) round_rows(input.a, input, r0, r1);
}

// z (r1 - r0, ldz) = a W + b: rows r0 to r1 of a, which are the buffer's a or its grad, and W (its width, N) in panels or
// panels of pairs. finish as in forward_rows.
template <class T>
template <bool MAY_HAVE_GAPS, class Finish>
void Engine<T>::product(Buffer<T>& buffer, Rows<T> a, const T* panels, const Array<Pair>& pairs, const T* b, T* z, int64_t ldz,
                        int64_t N, int64_t r0, int64_t r1, Workspace<T>& own, const Finish& finish) {
    if (r0 == r1) return;
    const auto rows = [&](const auto* from, int64_t ld, const auto* W, int64_t K) {
        const bool gaps = MAY_HAVE_GAPS && &buffer == &buffers_[0] && has_gaps(from, ld, r1 - r0, K);
        forward_rows<MAY_HAVE_GAPS>(from, ld, W, b, z, ldz, r1 - r0, K, N, finish, gaps);
    };
    if constexpr (PAIRED<T>)
        if (multiplies_pairs()) {
            const int64_t ld = distance<Pair>(halved(buffer.width));
            Pair* paired = &buffer.pairs[r0 * ld];
            pair_columns(a.row(r0), a.ld, paired, ld, r1 - r0, buffer.width);
            return rows(paired, ld, pairs.data(), halved(buffer.width));
        }
    if (!is_one_row_) return rows(a.row(r0), a.ld, panels, buffer.width);
    forward_row(a.row(r0), panels, b, z, buffer.width, N, own.nonzero.data());
    for (int64_t n = 0; n < N; n += PANEL<T>) finish(0, 1, n);
}

template <class T>
void Engine<T>::forward(const Op& op, Cache<T>& cache, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own) {
    const bool training = draw != nullptr;
    const int64_t r0 = block.r0, r1 = block.r1;
    const Buffer<T>& in = buffers_[op.in];
    Buffer<T>& out = buffers_[op.out];
    const T c0 = T(op.c0), c1 = T(op.c1);
    const int64_t width = in.width;
    if (op.kind == Kind::dense) {  // z = a W + b, and out = f(z) over it
        const Parameter<T>& W = parameters_[op.slot0];
        const T* panels = W.rounded.empty() ? W.value.data() : W.rounded.data();
        const T* b = op.slot1 < 0 ? nullptr : parameters_[op.slot1].value.data();
        const int64_t n0 = block.n0, N = std::min(block.n1, out.width) - n0;
        T* to = &out.a[r0 * out.ld + n0];
        const Activate<T> over_z{op.function, c0, to, out.ld};
        product<true>(buffers_[op.in], from, panels + n0 * width, W.pairs, b ? b + n0 : b, to, out.ld, N, r0, r1, own, over_z);
        return;
    }
    if (op.kind == Kind::batch_norm) return normalize(op, cache, r0, r1, training, from);
    if (op.kind == Kind::dropout && training && op.c0 > 0) dropout_mask(op, cache, r0, r1, *draw);
    for (int64_t i = r0; i < r1; ++i) {
        const T* a = from.row(i);
        T* z = &out.a[i * out.ld];
        switch (op.kind) {
            case Kind::rescale:
                for (int64_t j = 0; j < in.width; ++j) z[j] = a[j] * c0 + c1;
                break;
            case Kind::standardize: {
                const State<T>& state = states_[op.state];
                for (int64_t j = 0; j < in.width; ++j) z[j] = (a[j] - state.a[j]) / state.b[j];
                break;
            }
            case Kind::elementwise:
                with_activation(op.function, [=](auto f) {
                    for (int64_t n = 0; n < padded<T>(width); n += PANEL<T>)
                        for (int64_t j = n; j < n + PANEL<T>; ++j) z[j] = activate<f()>(a[j], c0);
                });
                break;
            case Kind::prelu: {
                const T* slope = parameters_[op.slot0].value.data();
                for (int64_t j = 0; j < in.width; ++j) z[j] = a[j] > 0 ? a[j] : slope[j] * a[j];
                break;
            }
            case Kind::softmax: {
                T top = a[0], sum = 0;
                for (int64_t j = 1; j < in.width; ++j) top = a[j] > top || a[j] != a[j] ? a[j] : top;
                for (int64_t j = 0; j < in.width; ++j) sum += z[j] = exp_(a[j] - top);
                for (int64_t j = 0; j < in.width; ++j) z[j] /= sum;
                break;
            }
            case Kind::dropout:
                if (training && op.c0 > 0) {
                    const T* mask = &cache.mask[i * in.ld];
                    for (int64_t j = 0; j < in.width; ++j) z[j] = a[j] * mask[j];
                } else {
                    std::copy(a, a + in.width, z);
                }
                break;
            case Kind::add: {
                const T* b = &buffers_[op.in2].a[i * buffers_[op.in2].ld];
                for (int64_t j = 0; j < in.width; ++j) z[j] = a[j] + b[j];
                break;
            }
            case Kind::concat: {
                const Buffer<T>& in2 = buffers_[op.in2];
                std::copy(a, a + in.width, z);
                std::copy(&in2.a[i * in2.ld], &in2.a[i * in2.ld] + in2.width, z + in.width);
                break;
            }
            case Kind::dense:
            case Kind::batch_norm: break;
        }
    }
}

// mask = keep / (1 - rate): the words that chainrule/random.py draws for (seed, stream, step), in row-major order.
template <class T>
void Engine<T>::dropout_mask(const Op& op, Cache<T>& cache, int64_t r0, int64_t r1, const Draw& draw) {
    const int64_t begin = draw.first, finish = begin + r1 - r0, width = buffers_[op.in].width, ld = buffers_[op.in].ld;
    const double rate = op.c0 * draw.dropout;
    const uint32_t threshold = static_cast<uint32_t>(std::min(std::nearbyint(rate * 0x1p32), 0x1p32 - 1));
    const T kept = T(1 / (1 - rate));
    constexpr int64_t CHUNK = 512;
    uint32_t words[2 * CHUNK];
    for (int64_t e = begin * width / 2 * 2; e < finish * width; e += 2 * CHUNK) {
        const int64_t pairs = std::min(CHUNK, (finish * width - e + 1) / 2);
        threefry_pairs(run_.seed, op.stream, draw.step, static_cast<uint32_t>(e / 2), pairs, words);
        int64_t at = std::max(e, begin * width);
        const int64_t end = std::min(e + 2 * pairs, finish * width);
        while (at < end) {
            const int64_t i = at / width, stop = std::min(end, (i + 1) * width);
            T* mask = &cache.mask[(r0 + i - begin) * ld];
            for (; at < stop; ++at) mask[at - i * width] = words[at - e] >= threshold ? kept : T(0);
        }
    }
}

// dL/d in from dL/d out. Where another operation has begun the sum, the contribution is added to it.
template <class T>
void Engine<T>::backward(const Op& op, Cache<T>& cache, const Block& block, Workspace<T>& own) {
    const int64_t r0 = block.r0, r1 = block.r1;
    Buffer<T>& in = buffers_[op.in];
    const Buffer<T>& out = buffers_[op.out];
    const T c0 = T(op.c0);
    if (op.kind == Kind::dense) {
        if (!cache.is_delta) {
            const TimesPrime<T> to_delta{op.function, c0, out.a.data(), buffers_[op.out].grad.data(), out.ld};
            for (int64_t n = 0; n < out.width; n += PANEL<T>) to_delta(r0, r1, n);
        }
        round_rows(buffers_[op.out].grad, out, r0, r1);
        if (!in.needs_gradient) return;  // dL/da = delta W^T
        const int64_t k0 = block.n0, K = std::min(block.n1, in.width) - k0;  // columns of dL/da
        T* to = &in.grad[r0 * in.ld + k0];
        if (cache.accumulates) to = own.scratch.data() + k0;
        const Activation before = cache.before ? cache.before->function : Activation::identity;
        const T c = cache.before ? T(cache.before->c0) : T(0);
        const Parameter<T>& W = parameters_[op.slot0];
        const TimesPrime<T> finish{before, c, &in.a[r0 * in.ld + k0], &in.grad[r0 * in.ld + k0], in.ld};
        if (!is_one_row_ || multiplies_pairs()) {
            product<false>(buffers_[op.out], {out.grad.data(), out.ld}, W.transposed.data() + k0 * out.width, W.transposed_pairs,
                           nullptr, to, in.ld, K, r0, r1, own, finish);
        } else if (r0 < r1) {
            const T* panels = W.rounded.empty() ? W.value.data() : W.rounded.data();
            backward_row(&out.grad[r0 * out.ld], panels, to, in.width, out.width, k0, k0 + K);
            for (int64_t n = 0; n < K; n += PANEL<T>) finish(0, 1, n);
        }
        if (cache.accumulates)
            for (int64_t i = 0; i < r1 - r0; ++i)
                for (int64_t j = 0; j < K; ++j) in.grad[(r0 + i) * in.ld + k0 + j] += to[i * in.ld + j];
        return;
    }
    if (op.kind == Kind::batch_norm) {
        if (in.needs_gradient) normalize_backward(op, cache, r0, r1);
        return;
    }
    const bool more = cache.accumulates;
    const int64_t width = in.width;
    auto put = [&](T* to, int64_t j, T value) { to[j] = more ? to[j] + value : value; };
    for (int64_t i = r0; i < r1; ++i) {
        const T* delta = &out.grad[i * out.ld];
        T* to = in.needs_gradient ? &in.grad[i * in.ld] : nullptr;
        const T* z = &in.a[i * in.ld];
        const T* a = &out.a[i * out.ld];
        if (op.kind == Kind::add || op.kind == Kind::concat) {
            Buffer<T>& in2 = buffers_[op.in2];
            if (in2.needs_gradient) {
                T* to2 = &in2.grad[i * in2.ld];
                const T* from = op.kind == Kind::add ? delta : delta + in.width;
                for (int64_t j = 0; j < in2.width; ++j) to2[j] = cache.accumulates2 ? to2[j] + from[j] : from[j];
            }
        }
        if (to == nullptr) continue;
        switch (op.kind) {
            case Kind::rescale:
                for (int64_t j = 0; j < in.width; ++j) put(to, j, delta[j] * c0);
                break;
            case Kind::standardize:
                for (int64_t j = 0; j < in.width; ++j) put(to, j, delta[j] / states_[op.state].b[j]);
                break;
            case Kind::elementwise:
                with_activation(op.function, [=](auto f) {
                    for (int64_t n = 0; n < padded<T>(width); n += PANEL<T>) {
                        T prime[PANEL<T>];  // by itself, or the compiler makes branches of it rather than vectors
                        for (int64_t j = 0; j < PANEL<T>; ++j) prime[j] = activate_prime<f()>(z[n + j], a[n + j], c0);
                        if (more)
                            for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] += delta[n + j] * prime[j];
                        else
                            for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] = delta[n + j] * prime[j];
                    }
                });
                break;
            case Kind::prelu: {
                const T* slope = parameters_[op.slot0].value.data();
                for (int64_t j = 0; j < in.width; ++j) put(to, j, z[j] > 0 ? delta[j] : delta[j] * slope[j]);
                break;
            }
            case Kind::softmax: {
                T dot = 0;
                for (int64_t j = 0; j < in.width; ++j) dot += delta[j] * a[j];
                for (int64_t j = 0; j < in.width; ++j) put(to, j, a[j] * (delta[j] - dot));
                break;
            }
            case Kind::dropout:
                if (op.c0 > 0 && op.in_training) {
                    const T* mask = &cache.mask[i * in.ld];
                    for (int64_t j = 0; j < in.width; ++j) put(to, j, delta[j] * mask[j]);
                } else {
                    for (int64_t j = 0; j < in.width; ++j) put(to, j, delta[j]);
                }
                break;
            case Kind::add:
            case Kind::concat:
                for (int64_t j = 0; j < in.width; ++j) put(to, j, delta[j]);
                break;
            case Kind::dense:
            case Kind::batch_norm: break;
        }
    }
}

// Whether members share the columns of what a dense makes, rather than the rows, which are few: each reads a part of W then,
// and makes whole tiles.
template <class T>
bool Engine<T>::shares_columns(const Op& op, int64_t rows, int present, bool is_forth) const {
    if (present == 1 || op.kind != Kind::dense || run_.bf16 || rows > FEW_ROWS * present) return false;
    const Buffer<T>&in = buffers_[op.in], &out = buffers_[op.out];
    if (rows * in.width * out.width < WORTH_WAITING) return false;
    if (is_forth) return op.out + 1 < static_cast<int>(buffers_.size()) && out.width > PANEL<T> * present;
    const bool is_delta = caches_[&op - program_.ops.data()].is_delta || op.function == Activation::identity;
    return in.needs_gradient && is_delta && in.width > PANEL<T> * present;
}

// There and back for a part of a batch, unless the phase is lost. block_of(op, cache, is_forth) says before each operation what
// to make of it; it is called in any case, for threads may meet in it.
template <class T>
template <class BlockOf>
void Engine<T>::walk(const Call& call, const Batch& batch, const Part& part, Workspace<T>& own, BlockOf&& block_of) {
    const int64_t r0 = part.r0, r1 = part.r1;
    const int64_t* rows = batch.rows + part.first;
    const Draw draw{batch.step, part.first, batch.dropout};
    for (int64_t i = 0; i < std::min<int64_t>(r1 - r0, Simd<T>::LANES); ++i)
        call.samples.ask_for_target(rows[i], buffers_.back().width);
    // An array (rows, ld): the largest of this part's rows, or what it was before.
    const auto measure = [&](Magnitude<T>& largest, const Array<T>& values, int64_t ld) {
        largest = std::max(largest, magnitude(largest_of(values.data() + r0 * ld, (r1 - r0) * ld)));
    };
    phases_.attempt([&] {
        passes(Place::gather);
        gather(call.samples, rows, r0, r1, part.following);
    });
    for (size_t o = 0; o < program_.ops.size(); ++o) {
        const Op& op = program_.ops[o];
        const Buffer<T>& in = buffers_[op.in];
        const Block block = block_of(op, caches_[o], true);
        phases_.attempt([&] {
            passes(Place::forward);
            if (measures(op)) measure(own.largest[o].a, in.a, in.ld);
            forward(op, caches_[o], block, &draw, rows_of(op.in), own);
            if (buffers_[op.out].is_multiplied) round_rows(buffers_[op.out].a, buffers_[op.out], r0, r1);
        });
    }
    phases_.attempt([&] { loss(call.samples, rows, r0, r1, batch.total, own.tile.data()); });
    for (size_t o = program_.ops.size(); o-- > 0;) {
        const Op& op = program_.ops[o];
        const Buffer<T>& out = buffers_[op.out];
        if (!out.needs_gradient) continue;
        const Block block = block_of(op, caches_[o], false);
        phases_.attempt([&] {
            passes(Place::backward);
            backward(op, caches_[o], block, own);
            if (measures(op)) measure(own.largest[o].delta, out.grad, out.ld);
        });
    }
}

}  // namespace chainrule::CHAINRULE_ISA
