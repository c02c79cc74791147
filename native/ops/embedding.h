// embedding: formulas/layers/embedding.py in C++. A table is kept row after row, so that a code's vector lies in one piece.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct embedding {
    // The code that x stands for: 0 unless it is a whole number from 0 to codes - 1.
    template <class T>
    static int32_t code(T x, int64_t codes) {
        if (!(x >= 0 && x < T(codes))) return 0;
        const auto found = static_cast<int32_t>(x);
        return T(found) == x ? found : 0;
    }

    // out = [x_rest, E1[x_c1], ..., Ek[x_ck]]
    template <class T>
    static void forward(const Forward<T>& at) {
        Cache<T>& cache = at.cache;
        const auto kept = static_cast<int64_t>(cache.rest.size());
        const size_t batch = cache.codes.size() / cache.tables.size();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* x = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < kept; ++j) out[j] = x[cache.rest[j]];
            for (size_t t = 0; t < cache.tables.size(); ++t) {
                const Table& table = cache.tables[t];
                const int32_t c = code(x[table.column], table.codes);
                const T* vector = at.parameter(table.slot) + c * table.size;
                std::copy(vector, vector + table.size, out + table.from);
                if (at.draw != nullptr) cache.codes[t * batch + static_cast<size_t>(i)] = c;
            }
        }
    }

    // dL/dx = delta_rest, and 0 for a code
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (size_t j = 0; j < at.cache.rest.size(); ++j) at.put(to, at.cache.rest[j], delta[j]);
            for (const Table& table : at.cache.tables) at.put(to, table.column, T(0));
        }
    }

    // Never called: dL/dE is a sum by code (sum_by_code).
    template <class T>
    static void gradient(const Gradient<T>&, T*) {}

    // g += dL/dE of the numbers n0 to n1 of a table: dL/dE[c] = sum of delta_i over the rows with code c, i ascending.
    template <class T>
    static void sum_by_code(const Table& table, const int32_t* codes, Rows<T> delta, int64_t r0, int64_t r1, int64_t n0, int64_t n1, T* g) {
        const int64_t first = n0 / table.size, last = (n1 - 1) / table.size;  // the codes with a number in the range
        for (int64_t i = r0; i < r1; ++i) {
            const int64_t c = codes[i];
            if (c < first || c > last) continue;
            const int64_t begin = std::max(n0, c * table.size), end = std::min(n1, (c + 1) * table.size);
            const T* from = delta.row(i) + table.from;
            for (int64_t n = begin; n < end; ++n) g[n - n0] += from[n - c * table.size];
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
