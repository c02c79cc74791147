// Prediction: the forward walk over all rows of X, and how the samples are read.
#pragma once

#include "steps.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double WORK_OF_ONE_ROW = 1e7;  // operations per thread for a single row, where waking a thread counts
constexpr double WORTH_OF_AN_ENTRY = 6;  // numbers of a dense row that take as long as an entry

// Each thread computes a fixed range of the rows, as many at a time as its rows of the buffers; of a few rows, threads share
// the columns. After a stop or a failure every thread still comes to every barrier, and skips the work in between.
template <class T>
bool Engine<T>::predict(const Samples& samples, int64_t n, void* out, const Stop& stop) {
    const int64_t capacity = std::min(n, static_cast<int64_t>(row_scores_.size())), outputs = program_.widths.back();
    const int wanted = team_size(n, net_.is_one_row ? WORK_OF_ONE_ROW : WORK_A_THREAD);
    // At most one thread per row of the buffers: a thread without a row would never come to its end.
    Workers workers(static_cast<int>(std::clamp<int64_t>(capacity, 1, wanted)));
    const int present = workers.count();
    net_.is_sparse = is_mostly_zero(samples, nullptr, n);
    const bool in_place = reads_samples(samples), is_long = operations_ * double(capacity) > LONG_STEP;
    std::atomic<bool> is_finite{true};
    reserve_workspaces(present);
    phases_.begin(present);
    workers.run([&](int number) {
        const TilesInUse here(net_.has_tiles());
        const int64_t r0 = first_row(number, present, capacity), room = first_row(number + 1, present, capacity) - r0;
        const int64_t last = first_row(number + 1, present, n);
        int64_t row = first_row(number, present, n);
        const auto look = [&] {
            if (number != 0 || !stop || phases_.is_lost()) return;
            if (stop() || passes(Place::stop)) phases_.stop();
            phases_.look_around();
        };
        do {
            if (row > 0) look();
            const int64_t r1 = r0 + std::min(room, last - row);
            const Samples part = samples.from(row - r0);  // row r0 of part is row `row` of samples
            const Rows<T> X{static_cast<const T*>(part.X), samples.stride / static_cast<int64_t>(sizeof(T))};
            const Rows<T> input = in_place ? X : net_.rows_of(0);
            phases_.attempt([&] {
                passes(Place::gather);
                if (!in_place) gather(part, nullptr, r0, r1, net_.workspaces[number]);
                Largest<T> largest;
                if (net_.is_sparse)
                    net_.workspaces[number].entries.measure(largest);
                else if (const int64_t width = program_.widths.front(); input.ld == width)
                    largest.add(input.row(r0), (r1 - r0) * width);
                else
                    for (int64_t i = r0; i < r1; ++i) largest.add(input.row(i), width);
                if (!std::isfinite(largest.value())) is_finite.store(false, std::memory_order_relaxed);
            });
            Cut cut{*this, number, present, n <= capacity ? n : std::numeric_limits<int64_t>::max(), {r0, r1}};
            for (size_t o = 0; o < ops_.size(); ++o) {
                if (is_long) look();
                const Block block = cut(*ops_[o], true);
                const int in = program_.ops[o].in;
                phases_.attempt([&] {
                    passes(Place::forward);
                    forward(o, block, nullptr, in == 0 ? input : net_.rows_of(in), net_.workspaces[number]);
                });
            }
            phases_.attempt([&] {
                const Rows<T> a = net_.rows_of(static_cast<int>(net_.buffers.size()) - 1);
                for (int64_t i = r0; i < r1; ++i)
                    std::copy(a.row(i), a.row(i) + outputs, static_cast<T*>(out) + (row + i - r0) * outputs);
            });
            row += room;
        } while (row < last);
    });
    if (phases_.failure()) std::rethrow_exception(phases_.failure());
    return is_finite.load(std::memory_order_relaxed);
}

// Whether the first operation reads the samples in place: they have its type and layout, no other operation reads them, and they need not
// be rounded.
template <class T>
bool Engine<T>::reads_samples(const Samples& samples) const {
    if (ops_.empty() || !ops_[0]->reads_in_place() || net_.is_bf16()) return false;
    if (samples.indptr != nullptr || samples.column != 1) return false;
    if (samples.type != (sizeof(T) == 4 ? 1 : 2) || program_.scale != 1 || program_.offset != 0) return false;
    return consumers_of_input_ == 1 && samples.stride % static_cast<int64_t>(sizeof(T)) == 0;
}

// Whether X is a CSR matrix of few entries that the first operation alone reads, without an offset: it then takes the entries. Of
// more, dense rows are faster.
template <class T>
bool Engine<T>::is_mostly_zero(const Samples& samples, const int64_t* rows, int64_t n) const {
    const int64_t width = program_.widths.front();
    const bool may_be = samples.indptr != nullptr && !ops_.empty() && ops_[0]->reads_entries() && consumers_of_input_ == 1 &&
                        program_.offset == 0 && width <= INT32_MAX;
    if (!may_be) return false;
    return double(count_entries(samples, rows, n)) * WORTH_OF_AN_ENTRY < double(n) * double(width);
}

}  // namespace chainrule::CHAINRULE_ISA
