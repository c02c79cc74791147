// embedding: formulas/layers/embedding.py in C++. A table is kept row after row, so that a code's vector lies in one piece.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// Parameters: E_t (codes, size) of each of its columns.
template <class T>
class embedding : public Operation<T> {
    struct Table {
        int64_t column, size, codes, from;  // the column that it is looked up by; codes of `size` numbers; its first output column
    };

   public:
    using Operation<T>::Operation;
    using Operation<T>::op, Operation<T>::net, Operation<T>::slots;

    std::vector<Slot> cut(const Parameter& given, size_t) const override { return {flat(given)}; }
    int64_t width() const override {
        require(!slots.empty() && slots.size() == op.columns.size() && slots.size() == op.parameters.size(), "an embedding has no tables");
        this->require_columns("a table reads another column");
        int64_t made = this->width_in();
        for (size_t t = 0; t < slots.size(); ++t) {
            require(shape(t).size() == 2 && shape(t)[0] < INT32_MAX, "a table has another shape");
            made += shape(t)[1] - 1;
        }
        return made;
    }
    double growth() const override { return USUAL_PARAMETER; }  // of max(1, |a|)
    // A task looks at every code of the batch.
    int64_t task_width(const Slot&) const override { return net.run.batch_size > SHORT_BATCH ? GROUP * STRIP<T> : STRIP<T>; }

    [[gnu::cold]] void allocate(int64_t capacity) override {
        Array<uint8_t> is_read(this->width_in());
        int64_t from = this->width_in() - static_cast<int64_t>(slots.size());
        for (size_t t = 0; t < slots.size(); ++t) {
            tables_.push_back({op.columns[t], shape(t)[1], shape(t)[0], from});
            is_read[op.columns[t]] = 1, from += shape(t)[1];
        }
        for (int64_t j = 0; j < this->width_in(); ++j)
            if (!is_read[j]) rest_.push_back(j);
        batch_ = capacity;
        if (net.trains) codes_.resize(static_cast<int64_t>(slots.size()) * capacity);
    }

    // out (batch, rest + sizes) = [x_rest, E1[x_c1], ..., Ek[x_ck]]
    void forward(const Forward<T>& at) override {
        const auto kept = static_cast<int64_t>(rest_.size());
        const auto tables = static_cast<int>(tables_.size());
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* x = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < kept; ++j) out[j] = x[rest_[j]];
            for (int t = 0; t < tables; ++t) {
                const Table& table = tables_[t];
                const int32_t c = code(x[table.column], table.codes);
                const T* vector = at.parameter(t) + c * table.size;
                std::copy(vector, vector + table.size, out + table.from);
                if (at.draw != nullptr) codes_[t * batch_ + i] = c;
            }
        }
    }

    // dL/dx (batch, width) = delta_rest, and 0 for a code
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (size_t j = 0; j < rest_.size(); ++j) at.put(to, rest_[j], delta[j]);
            for (const Table& table : tables_) at.put(to, table.column, T(0));
        }
    }

    // dL/dE (codes, size), of the numbers n0 to n1: dL/dE[c] = sum of delta_i over the rows with code c, i ascending.
    void gradient(const Gradient<T>& at, T* g) override {
        const auto [n0, n1] = std::pair{at.task.n0, at.task.n1};
        if (!at.more) std::fill_n(g, padded<T>(n1 - n0), T(0));
        const Table& table = tables_[at.task.place];
        const int32_t* codes = &codes_[at.task.place * batch_];
        const int64_t first = n0 / table.size, last = (n1 - 1) / table.size;  // the codes with a number in the range
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const int64_t c = codes[i];
            if (c < first || c > last) continue;
            const int64_t begin = std::max(n0, c * table.size), end = std::min(n1, (c + 1) * table.size);
            const T* from = at.delta.row(i) + table.from;
            for (int64_t n = begin; n < end; ++n) g[n - n0] += from[n - c * table.size];
        }
    }

   private:
    const std::vector<int64_t>& shape(size_t t) const { return net.program.parameters[op.parameters[t]].shape; }
    // The code that x stands for: 0 unless it is a whole number from 0 to codes - 1.
    static int32_t code(T x, int64_t codes) {
        if (!(x >= 0 && x < T(codes))) return 0;
        const auto found = static_cast<int32_t>(x);
        return T(found) == x ? found : 0;
    }

    std::vector<Table> tables_;
    Array<int64_t> rest_;   // the columns that no table reads
    Array<int32_t> codes_;  // (tables, batch)
    int64_t batch_ = 0;
};

}  // namespace chainrule::CHAINRULE_ISA::ops
