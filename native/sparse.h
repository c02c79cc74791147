// Rows of a CSR matrix for a dense that alone reads them: only their entries enter its two products.
//
//     forward   z_i = b + sum_k x_ik W[k]          over the entries of row i, k ascending
//     gradient  dL/dW[k] = sum_i x_ik delta_i      over the entries of column k, i ascending
//
// A term with x_ik = 0 adds nothing, so the bits are those of the dense rows (products.h).
#pragma once

#include "csr.h"
#include "terms.h"

namespace chainrule::CHAINRULE_ISA {

// An entry of the batch in a strip of W: its row of the buffers, its row of the strip, and its value.
template <class T>
struct StripEntry {
    int32_t row, k;
    T value;
};

// A thread's rows of a batch, copied from the matrix: columns ascend, and each stands once. Arrays grow with the longest part of
// a batch and are kept, so that few steps allocate.
template <class T>
class SparseRows {
   public:
    // Reads rows r0 to r1 of the buffers (rows: their numbers in X, null for r0 to r1) times scale. Throws Changed where an index
    // is out of bounds, as another thread may have changed the matrix after the call's check.
    void read(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, int64_t width, T scale) {
        const int64_t count = r1 - r0;
        r0_ = r0;
        from_.clear(), from_.resize(count);
        begin_.clear(), begin_.resize(count + 1);
        place_rows(samples, rows, r0, count, from_.data(), begin_.data());
        columns_.clear(), columns_.resize(begin_.back());
        values_.clear(), values_.resize(begin_.back());
        read_entries(samples, rows != nullptr, from_.data(), begin_.data(), count, width, scale, columns_.data(), values_.data());
    }
    // Sorts the entries by strips of ROWS rows of W (K, N), in each by rows of the buffers.
    template <int64_t ROWS>
    void sort(int64_t K) {
        const int64_t count = begin_.back();
        strips_.assign((K + ROWS - 1) / ROWS + 2, 0);
        by_strip_.clear(), by_strip_.resize(count);
        for (int64_t e = 0; e < count; ++e) ++strips_[columns_[e] / ROWS + 2];
        for (size_t s = 2; s < strips_.size(); ++s) strips_[s] += strips_[s - 1];
        for (int64_t i = 0; i + 1 < static_cast<int64_t>(begin_.size()); ++i)
            for (int64_t e = begin_[i]; e < begin_[i + 1]; ++e) {
                const auto strip = static_cast<int32_t>(columns_[e] / ROWS), k = static_cast<int32_t>(columns_[e] - strip * ROWS);
                by_strip_[strips_[strip + 1]++] = {static_cast<int32_t>(r0_ + i), k, values_[e]};
            }
    }

    Terms<T> row(int64_t i) const {  // a row of the buffers
        const int64_t from = begin_[i - r0_];
        return {columns_.data() + from, values_.data() + from, begin_[i - r0_ + 1] - from};
    }
    void measure(Largest<T>& largest) const { largest.add(values_.data(), begin_.back()); }
    const StripEntry<T>* begin(int64_t strip) const { return by_strip_.data() + strips_[strip]; }
    // Notes the rows of a strip that have an entry.
    void mark(int64_t strip, bool* is_there) const {
        for (const StripEntry<T>* entry = begin(strip); entry != end(strip); ++entry) is_there[entry->k] = true;
    }
    const StripEntry<T>* end(int64_t strip) const { return by_strip_.data() + strips_[strip + 1]; }

   private:
    int64_t r0_ = 0;
    Array<int64_t> from_, begin_;  // (rows,) where each row begins in X, (rows + 1,) and here
    Array<int32_t> columns_;       // (entries,)
    Array<T> values_;
    Array<int64_t> strips_;        // (strips + 2,) where each strip begins
    Array<StripEntry<T>> by_strip_;
};

// g (rows, PANEL) += dL/dW of a strip's entries. delta: the panel of delta, of which `width` columns are used.
template <class T>
void add_entries(const StripEntry<T>* entry, const StripEntry<T>* end, const T* delta, int64_t ldd, int64_t width, T* g) {
    using S = Simd<T>;
    constexpr int L = S::LANES, P = PANEL<T>;
    for (; entry != end; ++entry) {
        const T* from = delta + entry->row * ldd;
        T* to = g + entry->k * P;
        S::store(to, multiply_add(entry->value, S::load(from), S::load(to)));
        if (width > L) S::store(to + L, multiply_add(entry->value, S::load(from + L), S::load(to + L)));
    }
}

}  // namespace chainrule::CHAINRULE_ISA
