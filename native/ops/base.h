// The arguments of an operation's forward, backward and gradient, for some rows of the batch. Each operation (enumerations.h)
// is a struct of these three in a file of this folder: chainrule/formulas/layers/ in C++.
#pragma once

#include "../session.h"

namespace chainrule::CHAINRULE_ISA::ops {

// Forward: out from a and b, for rows r0 to r1 of the batch.
template <class T>
struct Forward {
    Engine<T>& engine;
    const Op& op;
    Cache<T>& cache;
    Workspace<T>& own;
    const Block& block;
    int64_t r0, r1;
    Rows<T> a, b;            // (batch, width), and (batch, width_b) if there is a second input
    int64_t width, width_b;
    T* out;                  // (batch, ld)
    int64_t ld;
    const Draw* draw;        // null in prediction

    T c0() const { return T(op.c0); }
    T c1() const { return T(op.c1); }
    const T* parameter(int slot) const { return engine.value_of(slot); }  // a vector (width,)
    const State<T>& state() const { return engine.state_of(op); }
    bool in_training() const { return draw != nullptr && op.in_training; }
    T* row(int64_t i) const { return out + i * ld; }
};

// Backward: dL/d inputs from delta = dL/d out, for rows r0 to r1 of the batch.
template <class T>
struct Backward {
    Engine<T>& engine;
    const Op& op;
    Cache<T>& cache;
    Workspace<T>& own;
    const Block& block;
    int64_t r0, r1;
    Rows<T> a, out, delta;   // (batch, width), (batch, width of out), the same
    int64_t width, width_b;
    T *to, *to_b;            // dL/d inputs (batch, ld) and (batch, ld_b); null if not needed
    int64_t ld, ld_b;

    T c0() const { return T(op.c0); }
    const T* parameter(int slot) const { return engine.value_of(slot); }
    const State<T>& state() const { return engine.state_of(op); }
    T* row(int64_t i) const { return to + i * ld; }
    // Writes dL/da_j, or adds it to what a later operation has written.
    void put(T* row, int64_t j, T value) const { row[j] = cache.accumulates ? row[j] + value : value; }
    void put_b(T* row, int64_t j, T value) const { row[j] = cache.accumulates2 ? row[j] + value : value; }
};

// Gradient of a vector parameter: the panel of columns from n on, summed over rows r0 to r1.
template <class T>
struct Gradient {
    const Op& op;
    const Cache<T>& cache;
    int slot;
    Rows<T> a, delta;
    int64_t r0, r1, n;

    // sum_j += of(a_ij, delta_ij), i ascending. The sums stay in registers.
    template <class F>
    void add(T* sum, F&& of) const {
        constexpr int64_t P = PANEL<T>;
        T sums[P];
        std::copy(sum, sum + P, sums);
        const T *from = a.first + n, *with = delta.first + n;
        for (int64_t i = r0; i < r1; ++i)
            for (int64_t j = 0; j < P; ++j) sums[j] += of(from[i * a.ld + j], with[i * delta.ld + j]);
        std::copy(sums, sums + P, sum);
    }
};

// An operation without parameters.
struct Fixed {
    template <class T>
    static void gradient(const Gradient<T>&, T*) {}
};

}  // namespace chainrule::CHAINRULE_ISA::ops
