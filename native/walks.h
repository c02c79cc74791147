// The forward and the backward walk over the program, for some rows of the batch. The operations are in ops/.
#pragma once

#include "objective.h"
#include "ops/all.h"
#include "samples.h"
#include "session.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t FEW_ROWS = 256;            // rows per thread up to which threads share columns
constexpr int64_t WORTH_WAITING = 1 << 19;  // multiplications for which sharing an operation's columns is worth two barriers

// a0 = scale X[rows] + offset for rows r0 to r1 of the buffers, in the network's precision: the only copy of the samples. Or
// their entries, if the first dense reads those.
template <class T>
void Engine<T>::gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Workspace<T>& own, Following following) {
    Buffer<T>& input = buffers_[0];
    if (is_sparse_) {
        own.entries.read(samples, rows, r0, r1, input.width, T(program_.scale));
        if (is_trained(program_.ops[0].slot0)) own.entries.template sort<STRIP_ROWS>(input.width);
        return;
    }
    const Target<T> to{input.a.data(), input.ld, input.width, T(program_.scale), T(program_.offset)};
    if (samples.type == 0)
        gather_as<uint8_t>(samples, rows, r0, r1, following, to);
    else if (samples.type == 1)
        gather_as<float>(samples, rows, r0, r1, following, to);
    else
        gather_as<double>(samples, rows, r0, r1, following, to);
    if (input.is_multiplied) round_rows(input.a, input, r0, r1);
}

// z (r1 - r0, N) = a[r0 : r1] W + b. a is K columns of the buffer's a or of its grad, W (K, N) is in panels of numbers or of
// pairs. finish as in forward_rows.
template <class T>
template <bool MAY_HAVE_GAPS, class Finish>
void Engine<T>::product(Buffer<T>& buffer, Rows<T> a, const T* panels, const Array<Pair>& pairs, const T* b, T* z, int64_t ldz,
                        int64_t K, int64_t N, int64_t r0, int64_t r1, Workspace<T>& own, const Finish& finish) {
    if (r0 == r1) return;
    const auto rows = [&](const auto* from, int64_t ld, const auto* W, int64_t terms) {
        const bool gaps = MAY_HAVE_GAPS && &buffer == &buffers_[0] && has_gaps(from, ld, r1 - r0, terms);
        forward_rows<MAY_HAVE_GAPS>(from, ld, W, b, z, ldz, r1 - r0, terms, N, finish, gaps);
    };
    if constexpr (PAIRED<T>)
        if (multiplies_pairs()) {
            const int64_t ld = distance<Pair>(halved(K));
            Pair* paired = &buffer.pairs[r0 * distance<Pair>(halved(buffer.width))];
            pair_columns(a.row(r0), a.ld, paired, ld, r1 - r0, K);
            return rows(paired, ld, pairs.data(), halved(K));
        }
    if (!is_one_row_) return rows(a.row(r0), a.ld, panels, K);
    forward_row(a.row(r0), panels, b, z, K, N, own.nonzero.data());
    for (int64_t n = 0; n < N; n += PANEL<T>) finish(0, 1, n);
}

template <class T>
void Engine<T>::forward(const Op& op, Cache<T>& cache, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own) {
    const int second = op.in2 < 0 ? op.in : op.in2;
    Buffer<T>& out = buffers_[op.out];
    ops::forward(ops::Forward<T>{*this, op, cache, own, block, block.r0, block.r1, from, rows_of(second), buffers_[op.in].width,
                                 buffers_[second].width, out.a.data(), out.ld, draw});
}

// dL/d in from dL/d out. Adds it to what a later operation that reads the same buffer has written.
template <class T>
void Engine<T>::backward(const Op& op, Cache<T>& cache, const Block& block, Workspace<T>& own) {
    Buffer<T>&in = buffers_[op.in], &in2 = buffers_[op.in2 < 0 ? op.in : op.in2];
    const auto gradient = [](Buffer<T>& buffer) { return buffer.needs_gradient ? buffer.grad.data() : nullptr; };
    ops::backward(ops::Backward<T>{*this, op, cache, own, block, block.r0, block.r1, rows_of(op.in), rows_of(op.out),
                                   gradient_rows_of(op.out), in.width, in2.width, gradient(in), op.in2 < 0 ? nullptr : gradient(in2),
                                   in.ld, in2.ld});
}

// A batch norm's sums over the whole batch, for columns n0 to n1 of its buffer.
template <class T>
void Engine<T>::sums_over_batch(const Op& op, Cache<T>& cache, int64_t n0, int64_t n1, int64_t batch, bool is_forth) {
    if (is_forth)
        ops::batch_norm::statistics(op, cache, state_of(op), rows_of(op.in), n0, n1, batch);
    else
        ops::batch_norm::sums(cache, gradient_rows_of(op.out), n0, n1, batch);
}

// Whether threads share the columns of a dense's output rather than its few rows: each reads a part of W, and its tiles are
// whole.
template <class T>
bool Engine<T>::shares_columns(const Op& op, int64_t rows, int present, bool is_forth) const {
    if (present == 1 || op.kind != Kind::dense || run_.bf16 || rows > FEW_ROWS * present || reads_entries(op)) return false;
    const Buffer<T>&in = buffers_[op.in], &out = buffers_[op.out];
    if (rows * in.width * out.width < WORTH_WAITING) return false;
    if (is_forth) return op.out + 1 < static_cast<int>(buffers_.size()) && out.width > PANEL<T> * present;
    const bool is_delta = caches_[&op - program_.ops.data()].is_delta || op.function == Activation::identity;
    return in.needs_gradient && is_delta && in.width > PANEL<T> * present;
}

// Forward, loss and backward for a part of a batch, unless the phase is lost. block_of(op, cache, is_forth) is the block of an
// operation to compute. It is always called, because threads may wait for each other in it.
template <class T>
template <class BlockOf>
void Engine<T>::walk(const Call& call, const Batch& batch, const Part& part, Workspace<T>& own, BlockOf&& block_of) {
    const int64_t r0 = part.r0, r1 = part.r1;
    const int64_t* rows = batch.rows + part.first;
    const Draw draw{run_.seed, batch.step, part.first, batch.dropout};
    for (int64_t i = 0; i < std::min<int64_t>(r1 - r0, Simd<T>::LANES); ++i)
        ask_for_target(call.samples, rows[i], program_.outputs());
    const auto measure = [&](Largest<T>& largest, const Array<T>& values, int64_t ld) {
        largest.add(values.data() + r0 * ld, (r1 - r0) * ld);
    };
    phases_.attempt([&] {
        passes(Place::gather);
        gather(call.samples, rows, r0, r1, own, part.following);
    });
    for (size_t o = 0; o < program_.ops.size(); ++o) {
        const Op& op = program_.ops[o];
        const Buffer<T>& in = buffers_[op.in];
        const Block block = block_of(op, caches_[o], true);
        phases_.attempt([&] {
            passes(Place::forward);
            if (measures(op, true) && reads_entries(op))
                own.entries.measure(own.largest_a);
            else if (measures(op, true))
                measure(own.largest_a, in.a, in.ld);
            forward(op, caches_[o], block, &draw, rows_of(op.in), own);
            if (buffers_[op.out].is_multiplied) round_rows(buffers_[op.out].a, buffers_[op.out], r0, r1);
        });
    }
    phases_.attempt([&] { loss(call.samples, rows, r0, r1, batch, own.tile.data()); });
    for (size_t o = program_.ops.size(); o-- > 0;) {
        const Op& op = program_.ops[o];
        const Buffer<T>& out = buffers_[op.out];
        if (!out.needs_gradient) continue;
        const Block block = block_of(op, caches_[o], false);
        phases_.attempt([&] {
            passes(Place::backward);
            backward(op, caches_[o], block, own);
            if (measures(op, false)) measure(own.largest_delta, out.grad, out.ld);
        });
    }
}

}  // namespace chainrule::CHAINRULE_ISA
