// What operations share that put several numbers in the place of each of some columns, by parameters of that column alone, and
// leave the other columns as they are.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// Each parameter is (columns, ...), and has a slot for each of the columns. Slots: those of the first parameter, of the next, ...
template <class T>
struct ByColumn : Operation<T> {
    using Operation<T>::Operation;
    using Operation<T>::op, Operation<T>::slots;

    std::vector<Slot> cut(const Parameter& given, size_t) const override {
        std::vector<Slot> found;
        for (int64_t t = 0; t < embeds() && given.shape[0] == embeds(); ++t) found.push_back(flat(given, 1, t));
        return found;
    }
    // A gradient is a sum over a column: a task has all of it.
    int64_t task_width(const Slot& slot) const override { return padded<T>(slot.columns); }

   protected:
    // Neighboring columns that stay as they are: in the input and in the output.
    struct Kept {
        int64_t column, from, count;
    };

    int embeds() const { return static_cast<int>(op.columns.size()); }
    const Slot& slot_of(int parameter, int t) const { return this->slot(parameter * embeds() + t); }
    const std::vector<int64_t>& shape(int parameter) const { return this->net.program.parameters[op.parameters[parameter]].shape; }
    bool has_parameters(int count) const { 
        return embeds() > 0 && static_cast<int>(op.parameters.size()) == count && static_cast<int>(slots.size()) == count * embeds();
    }

    // Finds the first output column of each embedded one, in whose place `numbers` stand, and the columns that are kept.
    void place(int64_t numbers) {
        Array<int64_t> sizes(this->width_in());
        for (const int32_t column : op.columns) sizes[column] = numbers;
        Array<int64_t> from;
        int64_t next = 0;
        for (int64_t j = 0; j < this->width_in(); ++j) {
            if (sizes[j] == 0 && !kept_.empty() && kept_.back().column + kept_.back().count == j)
                ++kept_.back().count;
            else if (sizes[j] == 0)
                kept_.push_back({j, next, 1});
            from.push_back(next);
            next += std::max<int64_t>(sizes[j], 1);
        }
        for (const int32_t column : op.columns) from_.push_back(from[column]);
    }
    void keep_forward(const Forward<T>& at) const {
        for (const Kept& kept : kept_)
            for (int64_t i = at.r0; i < at.r1; ++i) std::copy_n(at.a.row(i) + kept.column, kept.count, at.row(i) + kept.from);
    }
    void keep_backward(const Backward<T>& at, int64_t i) const {
        for (const Kept& kept : kept_)
            for (int64_t j = 0; j < kept.count; ++j) at.put(at.row(i), kept.column + j, at.delta.row(i)[kept.from + j]);
    }

    std::vector<Kept> kept_;
    Array<int64_t> from_;  // (embedded columns,) the first output column of each
};

}  // namespace chainrule::CHAINRULE_ISA::ops
