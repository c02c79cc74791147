// What an operation is: a class of its name (enumerations.h) in a file of this folder, chainrule/formulas/layers/ in C++. It says
// what it needs and what it makes, keeps its own arrays, and computes some rows at a time. The engine schedules.
//
// a, b are what it reads, (batch, width) and (batch, width_b), out what it makes, delta = dL/d out.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>

#include "../layout.h"
#include "../net.h"
#include "../optimizers.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct Operation;

// An operation at work on rows r0 to r1 of the batch: what forward and backward have in common.
template <class T>
struct Work {
    const Operation<T>& self;
    Workspace<T>& own;
    Block block;
    int64_t r0, r1;
    Rows<T> a;
    int64_t width, width_b;

    T c0() const { return T(self.op.c0); }
    T c1() const { return T(self.op.c1); }
    const T* parameter(int place) const { return self.values[place]; }
    const State<T>& state() const { return self.net.states[self.op.state]; }
};

// Forward: out from a and b.
template <class T>
struct Forward : Work<T> {
    Rows<T> b;
    T* out;            // (batch, ld)
    int64_t ld;
    const Draw* draw;  // null in prediction

    bool in_training() const { return draw != nullptr && this->self.op.in_training; }
    T* row(int64_t i) const { return out + i * ld; }
    // out_ij = f(a_ij, j)
    template <class F>
    void each(F&& f) const {
        const int64_t width = this->width;
        for (int64_t i = this->r0; i < this->r1; ++i) {
            const T* a = this->a.row(i);
            T* to = row(i);
            for (int64_t j = 0; j < width; ++j) to[j] = f(a[j], j);
        }
    }
};

// Backward: dL/d inputs from delta. What a later operation has written of them is added to (accumulates).
template <class T>
struct Backward : Work<T> {
    Rows<T> out, delta;  // (batch, width of out)
    T *to, *to_b;        // dL/d inputs (batch, ld) and (batch, ld_b); null if not needed
    int64_t ld, ld_b;
    bool accumulates, accumulates2;

    T* row(int64_t i) const { return to + i * ld; }
    void put(T* row, int64_t j, T value) const { row[j] = accumulates ? row[j] + value : value; }
    void put_b(T* row, int64_t j, T value) const { row[j] = accumulates2 ? row[j] + value : value; }
    // dL/da_ij = f(a_ij, delta_ij, j), if it is needed
    template <class F>
    void each(F&& f) const {
        if (to == nullptr) return;
        const int64_t width = this->width;
        for (int64_t i = this->r0; i < this->r1; ++i) {
            const T *a = this->a.row(i), *from = delta.row(i);
            T* to = row(i);
            for (int64_t j = 0; j < width; ++j) put(to, j, f(a[j], from[j], j));
        }
    }
};

// The tangent out' from a' and b' (slopes.h).
template <class T>
struct Tangent : Work<T> {
    Rows<T> out, a_dot, b_dot;
    T* to;  // (batch, ld)
    int64_t ld;
};

// The gradient of a task's slot, summed over rows r0 to r1 of the batch.
template <class T>
struct Gradient {
    const Task& task;
    int64_t r0, r1;
    Rows<T> a, delta;
    bool has_gaps, more;  // many numbers of the input are 0; the sum is added to what is there
    Workspace<T>& own;

    // g (columns,) of a vector: for each panel of columns, from n on, add(n, sum) adds to sum (PANEL,).
    template <class F>
    void panels(T* g, F&& add) const {
        constexpr int64_t P = PANEL<T>;
        for (int64_t n = task.n0; n < task.n1; n += P, g += P) {
            T sum[P] = {};
            if (more) std::copy(g, g + P, sum);
            add(n, sum);
            std::copy(sum, sum + P, g);
        }
    }
    // g_j = sum_i f(a_ij, delta_ij), i ascending. The sums stay in registers.
    template <class F>
    void sum_rows(T* g, F&& f) const {
        constexpr int64_t P = PANEL<T>;
        panels(g, [&](int64_t n, T* sum) {
            T sums[P];
            std::copy(sum, sum + P, sums);
            const T *from = a.first + n, *with = delta.first + n;
            for (int64_t i = r0; i < r1; ++i)
                for (int64_t j = 0; j < P; ++j) sums[j] += f(from[i * a.ld + j], with[i * delta.ld + j]);
            std::copy(sums, sums + P, sum);
        });
    }
};

template <class T>
struct Operation {
    const Op& op;
    Net<T>& net;
    Array<int> slots{};           // those of its parameters, one after the other
    Array<const T*> values{};     // (slots,) their numbers
    Layout::Part part{};
    bool is_trained = false;
    // Whether sums over the whole batch come before forward and before backward: all threads wait, and each makes some columns.
    bool sums_batch = false;

    Operation(const Op& op, Net<T>& net) : op(op), net(net) {}
    virtual ~Operation() = default;

    const Slot& slot(int place) const { return net.slots[slots[place]]; }
    int64_t width_in() const { return net.program.widths[op.in]; }
    int64_t width_out() const { return net.program.widths[op.out]; }
    int64_t samples() const { return net.run.batch_size * repeats(); }  // that its gradients are sums over
    // Whether a task has GROUP panels and takes NEAR_BATCH samples at a time, rather than one panel and the whole batch.
    bool shares_samples(int64_t columns) const { return samples() > NEAR_BATCH && columns < MANY_PANELS * PANEL<T>; }

    // The operation at work on whole rows r0 to r1.
    Work<T> at(Workspace<T>& own, int64_t r0, int64_t r1) const {
        return {*this, own, {r0, r1}, r0, r1, net.rows_of(op.in), width_in(), op.in2 < 0 ? width_in() : net.program.widths[op.in2]};
    }

    // What is known before there are arrays.

    virtual int inputs() const { return 1; }
    virtual int vectors() const { return 0; }           // its parameters, if all are vectors (width,)
    virtual int64_t state_width() const { return -1; }  // -1: it has none
    // A parameter's slots. place: among the operation's parameters.
    virtual std::vector<Slot> cut(const Parameter& given, size_t) const { return {whole(given)}; }
    // The columns of out. Throws if the parameters are others than it needs.
    virtual int64_t width() const {
        require(op.groups == 1, "another operation has groups");
        bool fits = static_cast<int>(slots.size()) == vectors();
        for (int place = 0; fits && place < vectors(); ++place) fits = is_vector(place, width_in());
        require(fits, "a parameter has another shape");
        return width_in();
    }
    virtual bool is_product() const { return false; }
    virtual bool rounds_out() const { return false; }  // whether forward rounds out itself where that is the operand of a product
    virtual double growth() const { return std::numeric_limits<double>::infinity(); }  // see Layout
    virtual double own_growth() const { return 1; }
    virtual double work() const { return double(width_in()) * 8; }  // arithmetic operations of a step or a prediction for each sample
    virtual int64_t repeats() const { return 1; }            // how often a sample enters the gradient of a parameter
    virtual int64_t room() const { return 0; }               // numbers behind a row of its buffers that it may write
    virtual bool reads_in_place() const { return false; }    // whether its rows may be the caller's own, without padding
    virtual bool reads_entries() const { return false; }     // whether it may take the entries of a CSR matrix

    // Its arrays.

    // next: the product that completes this one's delta.
    virtual void lead_to(Operation& /*next*/) {}
    virtual void allocate(int64_t /*capacity*/) {}
    // In a thread's memory, for steps: rows of a walk, samples that a gradient sums over, readers of strips.
    virtual void reserve(Workspace<T>&, int64_t /*rows*/, int64_t /*samples*/) const {}
    virtual int64_t readers() const { return 1; }

    // The walks.

    virtual void forward(const Forward<T>& at) = 0;
    virtual void backward(const Backward<T>& at) = 0;
    // Training on slopes (slopes.h), of the operations that enumerations.h says. By default J = J^T, as of one that is elementwise.
    virtual void tangent(const Tangent<T>& at) {
        backward({at, at.out, at.a_dot, at.to, nullptr, at.ld, 0, false, false});
    }
    // Adds the change of `backward` along a' where delta is fixed; none of what is linear.
    virtual void bend(const Backward<T>&, Rows<T> /*a_dot*/) {}
    // Adds the change of `gradient` along a' where delta is fixed; none of what shifts.
    virtual void gradient_tangent(const Gradient<T>&, Rows<T> /*a_dot*/, T* /*g*/) {}
    // Whether threads share the columns of out (is_forth) or of dL/d in, rather than the rows.
    virtual bool shares_columns(int64_t /*rows*/, int /*present*/, bool /*is_forth*/) const { return false; }
    virtual void sum(bool /*is_forth*/, int64_t /*n0*/, int64_t /*n1*/, int64_t /*batch*/) {}  // of sums_batch, as the next two
    virtual bool are_sums_finite() const { return true; }
    // Measures rows r0 to r1 of a, or of delta.
    virtual void measure_a(Largest<T>& largest, int64_t r0, int64_t r1) const { measure(largest, net.buffers[op.in].a, net.buffers[op.in].ld, r0, r1); }
    virtual void measure_delta(Largest<T>& largest, int64_t r0, int64_t r1) const { measure(largest, net.buffers[op.out].grad, net.buffers[op.out].ld, r0, r1); }
    virtual void end_step() {}  // the step counts

    // The update.

    virtual int64_t task_width(const Slot& slot) const { return shares_samples(slot.columns) ? GROUP * PANEL<T> : PANEL<T>; }
    // g (panels, rows, PANEL) of a task.
    virtual void gradient(const Gradient<T>&, T* /*g*/) {}
    // The gradient of a task from one sample as a product, which the rule multiplies out itself.
    virtual std::optional<Outer<T>> outer(const Task&) const { return {}; }
    // Writes to at the rows of a task whose gradient may be other than 0, and returns their number; -1 for all.
    virtual int64_t rows_of(const Task&, uint8_t* /*at*/) const { return -1; }
    // Whether something is derived from a slot, which `refresh` brings up to date after a change of rows k0 to k1, columns n0 to n1.
    virtual bool is_derived_from(int /*place*/) const { return false; }
    virtual void refresh(int /*place*/, int64_t /*k0*/, int64_t /*k1*/, int64_t /*n0*/, int64_t /*n1*/) {}

   protected:
    static void measure(Largest<T>& largest, const Array<T>& values, int64_t ld, int64_t r0, int64_t r1) {
        largest.add(values.data() + r0 * ld, (r1 - r0) * ld);
    }
    bool is_vector(int place, int64_t columns) const { return slot(place).rows == 1 && slot(place).columns == columns; }
    // Throws unless op.columns are columns of `in`, and different ones.
    void require_columns(const char* what) const {
        Array<uint8_t> is_read(width_in());
        for (const int32_t column : op.columns) require(column >= 0 && column < width_in() && !is_read[column]++, what);
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
