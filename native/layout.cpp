#include "layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace chainrule {
namespace {

void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(std::string("a program that is not whole: ") + what);
}

// The columns that an embedding makes of `in`, if each of its tables is whole and reads a column of its own.
int64_t embedded_width(const Program& program, const Op& op, int64_t in) {
    require(op.slot0 >= 0 && op.slot0 <= op.slot1 && op.slot1 < static_cast<int>(program.slots.size()), "an embedding has no tables");
    std::vector<bool> is_read(static_cast<size_t>(in), false);
    int64_t made = in;
    for (int s = op.slot0; s <= op.slot1; ++s) {
        const Slot& table = program.slots[static_cast<size_t>(s)];
        require(table.rows == 1 && table.size > 0 && table.columns % table.size == 0 && table.columns / table.size < INT32_MAX,
                "a table has another shape");
        require(table.column >= 0 && table.column < in && !is_read[static_cast<size_t>(table.column)], "a table reads another column");
        is_read[static_cast<size_t>(table.column)] = true;
        made += table.size - 1;
    }
    return made;
}

// The columns that a piecewise_linear makes of `in`, if each of its parameters is whole, its columns are different ones and its
// state has the edges of all bins.
int64_t piecewise_width(const Program& program, const Op& op, int64_t in) {
    const int k = op.embeds();
    require(op.slot0 >= 0 && k > 0 && op.slot1 == op.slot0 + 3 * k - 1 && op.slot1 < static_cast<int>(program.slots.size()),
            "a piecewise_linear has no columns");
    std::vector<bool> is_read(static_cast<size_t>(in), false);
    int64_t made = in, bins = 0;
    for (int t = 0; t < k; ++t) {
        const auto slot = [&](int kind) { return program.slots[static_cast<size_t>(op.slot0 + kind * k + t)]; };
        const Slot E = slot(2);
        require(E.rows == 1 && E.size > 0 && E.columns % E.size == 0 && E.columns / E.size < INT32_MAX, "an E of bins has another shape");
        for (const Slot& line : {slot(0), slot(1)})
            require(line.rows == 1 && line.size == E.size && line.columns == E.size, "a line has another shape");
        require(E.column >= 0 && E.column < in && !is_read[static_cast<size_t>(E.column)], "an E of bins reads another column");
        is_read[static_cast<size_t>(E.column)] = true;
        made += E.size - 1, bins += E.columns / E.size;
    }
    require(op.state >= 0 && op.state < static_cast<int>(program.states.size()) &&
                program.states[static_cast<size_t>(op.state)] == bins,
            "a piecewise_linear has edges of other bins");
    return made;
}

// The columns that a periodic makes of `in`, if each of its parameters is whole and its columns are different ones.
int64_t periodic_width(const Program& program, const Op& op, int64_t in) {
    const int k = op.embeds();
    require(op.slot0 >= 0 && k > 0 && op.slot1 == op.slot0 + 4 * k - 1 && op.slot1 < static_cast<int>(program.slots.size()),
            "a periodic has no columns");
    const int64_t frequencies = program.slots[static_cast<size_t>(op.slot0)].columns;
    require(frequencies <= MAX_FREQUENCIES, "a periodic has too many frequencies");
    std::vector<bool> is_read(static_cast<size_t>(in), false);
    int64_t made = in;
    for (int t = 0; t < k; ++t) {
        const auto slot = [&](int kind) { return program.slots[static_cast<size_t>(op.slot0 + kind * k + t)]; };
        const int64_t sums = slot(3).columns, column = slot(0).column;
        const int64_t numbers[] = {frequencies, frequencies, frequencies * sums, sums};
        for (int kind = 0; kind < 4; ++kind)
            require(slot(kind).rows == 1 && slot(kind).size > 0 && slot(kind).columns == numbers[kind], "a wave has another shape");
        require(column >= 0 && column < in && !is_read[static_cast<size_t>(column)], "a periodic reads another column");
        is_read[static_cast<size_t>(column)] = true;
        made += sums;
    }
    return made;
}

// The kernels check nothing: an error that is missed here reads or writes out of bounds.
void check(const Program& program) {
    const auto width = [&](int buffer) { return program.widths[static_cast<size_t>(buffer)]; };
    const auto is_vector = [&](int slot, int64_t columns) {
        if (slot < 0 || slot >= static_cast<int>(program.slots.size())) return false;
        const Slot& found = program.slots[static_cast<size_t>(slot)];
        return found.rows == 1 && found.columns == columns;
    };
    require(program.widths.size() == program.ops.size() + 1, "it has another number of buffers than operations");
    for (const int64_t columns : program.widths) require(columns > 0, "a buffer has no columns");
    require(program.members > 0 && program.widths.back() % program.members == 0, "the last buffer has parts of another width");
    require(program.loss_c.size() == 1 || program.loss_c.size() == static_cast<size_t>(program.outputs()),
            "the loss has neither one constant nor one for each output");
    for (const Slot& slot : program.slots)
        require(slot.start >= 0 && slot.rows > 0 && slot.columns > 0 && slot.start + slot.rows * slot.columns <= program.size,
                "a parameter lies outside theta");
    for (size_t o = 0; o < program.ops.size(); ++o) {
        const Op& op = program.ops[o];
        const Shape shape = shape_of(op.kind);
        require(op.out == static_cast<int>(o) + 1 && op.in >= 0 && op.in < op.out, "an operation reads what is not there yet");
        require(shape.inputs == 2 ? op.in2 >= 0 && op.in2 < op.out : op.in2 == -1, "an operation has another number of inputs");
        const int64_t in = width(op.in), out = width(op.out);
        const int64_t made = op.kind == Kind::concat      ? in + width(op.in2)
                             : op.kind == Kind::embedding ? embedded_width(program, op, in)
                             : op.kind == Kind::piecewise_linear ? piecewise_width(program, op, in)
                             : op.kind == Kind::periodic  ? periodic_width(program, op, in)
                             : op.kind == Kind::take      ? static_cast<int64_t>(op.columns.size())
                             : op.is_dense()              ? out
                                                          : in;
        require(out == made && (op.kind != Kind::add || width(op.in2) == in), "an operation makes another width");
        for (const int32_t column : op.columns) require(column >= 0 && column < in, "a take reads another column");
        require(op.groups > 0 && (op.groups == 1 || op.kind == Kind::grouped_dense), "another operation has groups");
        if (op.is_dense()) {
            require(in % op.groups == 0 && out % op.groups == 0, "a dense has groups of another width");
            require(op.slot0 >= 0 && op.slot0 + op.copies() <= static_cast<int>(program.slots.size()), "a dense has no W");
            for (int group = 0; group < op.copies(); ++group) {
                const Slot& W = program.slots[static_cast<size_t>(op.slot0 + group)];
                require(W.rows == in / op.groups && W.columns == out / op.groups &&
                            (op.slot1 == -1 || is_vector(op.slot1 + group, out / op.groups)),
                        "W or b has another shape");
            }
        } else if (!op.has_many()) {
            require(shape.parameters > 0 ? is_vector(op.slot0, in) : op.slot0 == -1, "a parameter has another shape");
            require(shape.parameters > 1 ? is_vector(op.slot1, in) : op.slot1 == -1, "a parameter has another shape");
        }
        const bool is_there = op.state >= 0 && op.state < static_cast<int>(program.states.size());
        require(shape.has_state ? is_there && (op.has_many() || program.states[static_cast<size_t>(op.state)] == in) : op.state == -1,
                "a state has another width");
    }
}

// |f(z)| and |f'(z)| are at most this much times max(1, |z|) and 1, for every activation with constant c.
double bound_of_function(const Op& op) { return 2 * std::max(1.0, std::abs(op.c0)); }

// Layout::growth. For a (n, K) and W (K, N): |a W + b| <= (K + 1) max|W, b| max(1, |a|), and |delta W^T| <= N max|W| |delta|.
// An embedding makes max(1, |a|) at most USUAL_PARAMETER times as large, a scale |delta| too, a shift max(1, |a|) by one more;
// a take sums at most all delta.
double growth_from(const Program& program, int first) {
    double growth = 1;
    for (size_t o = static_cast<size_t>(first); o < program.ops.size(); ++o) {
        const Op& op = program.ops[o];
        const bool follows = op.in == static_cast<int>(o);
        const double known = op.kind == Kind::embedding ? USUAL_PARAMETER
                             : op.kind == Kind::scale   ? USUAL_PARAMETER * USUAL_PARAMETER
                             : op.kind == Kind::shift   ? USUAL_PARAMETER + 1
                             : op.kind == Kind::take    ? double(op.columns.size())
                                                        : 0;
        if (follows && known > 0) {
            growth *= known;
            continue;
        }
        if (!follows || (!op.is_dense() && op.kind != Kind::elementwise)) return std::numeric_limits<double>::infinity();
        const double activation = bound_of_function(op);
        growth *= activation * activation;
        if (!op.is_dense()) continue;
        const int64_t K = program.widths[o] / op.groups, N = program.widths[o + 1] / op.groups;
        growth *= double(K + 1) * USUAL_PARAMETER * (double(N) * USUAL_PARAMETER);
    }
    return growth;
}

}  // namespace

Layout analyze(const Program& program, bool trains) {
    check(program);
    Layout layout;
    layout.values.resize(program.widths.size()), layout.parts.resize(program.ops.size());
    const auto is_trained = [&](int slot) { return trains && slot >= 0 && program.slots[slot].is_trained; };
    for (const Op& op : program.ops) {
        Layout::Values& in = layout.values[op.in];
        ++in.readers;
        in.is_multiplied |= op.is_dense();
        if (op.in2 >= 0) ++layout.values[op.in2].readers;
        layout.values[op.out].needs_gradient = is_trained(op.slot0) || is_trained(op.slot1) || in.needs_gradient ||
                                               (op.in2 >= 0 && layout.values[op.in2].needs_gradient);
    }
    if (trains) layout.values.back().needs_gradient = true;
    std::vector<bool> begun(program.widths.size(), false);
    for (size_t o = program.ops.size(); o-- > 0;) {
        const Op& op = program.ops[o];
        Layout::Part& part = layout.parts[o];
        if (op.in2 >= 0) part.accumulates2 = begun[op.in2], begun[op.in2] = true;
        part.accumulates = begun[op.in], begun[op.in] = true;
        const int before = op.in - 1;  // the operation that writes buffer op.in: operation k writes buffer k + 1
        if (!op.is_dense() || before < 0 || !program.ops[before].is_dense()) continue;
        if (layout.values[op.in].readers == 1) part.completes = before, layout.parts[before].is_delta = true;
    }
    const auto first = std::find_if(program.ops.begin(), program.ops.end(),
                                    [&](const Op& op) { return is_trained(op.slot0) || is_trained(op.slot1); });
    layout.first_trained = static_cast<int>(first - program.ops.begin());
    layout.growth = growth_from(program, layout.first_trained);
    for (const Op& op : program.ops) {
        if (op.kind == Kind::parametric)  // delta (f(z) - z)
            layout.own_growth = std::max(layout.own_growth, bound_of_function(op) + 1);
        if (op.kind == Kind::periodic) {  // 2 pi x sin(...) sum_k delta_k W2_k
            layout.own_growth = std::max(layout.own_growth, 7.0 * double(program.slots[static_cast<size_t>(op.slot1)].columns));
            layout.multiplies_weights = true;
        }
    }
    return layout;
}

}  // namespace chainrule
