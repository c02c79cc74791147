// Derivatives by the inputs (chain.h): chainrule/trained/derivatives.py in C++, for some rows at a time, all vectors in one product.
//
//     J    backward, delta_{l-1} = delta_l f'(z_l) W_l^T of k vectors; or forward, A_l = A_{l-1} f'(z_{l-1}) W_l of all inputs, by the
//          number of multiplications
//     H    sum_l A_l (delta_l f''(z_l)) A_l^T with A_l = d z_l / d x (inputs, N): its upper triangle
//
// Weights are packed piece by piece for each product, so nothing is kept between calls. Each number is one sum in one order.
#pragma once

#include <algorithm>

#include "chain.h"
#include "epilogues.h"
#include "threads.h"

namespace chainrule::CHAINRULE_ISA {

// B (K, N), whose rows are ld apart; or is_transposed, and B^T is.
template <class T>
struct Factor {
    const T* first;
    int64_t ld;
    bool is_transposed;
};

// Rows k0 to k0 + depth of the panel of B at column n, and asks for those of the next panel.
template <class T>
[[gnu::noinline]] void pack(const Factor<T>& B, int64_t k0, int64_t depth, int64_t n, int64_t N, T* to) {
    using S = Simd<T>;
    constexpr int64_t P = PANEL<T>, L = S::LANES;
    const int64_t columns = std::min(P, N - n);
    if (!B.is_transposed) {
        for (int64_t k = 0; k < depth; ++k, to += P) {
            const T* from = B.first + (k0 + k) * B.ld + n;
            prefetch(from + P, P * sizeof(T));
            if (columns == P) std::memcpy(to, from, P * sizeof(T));
            else std::copy(from, from + columns, to), std::fill(to + columns, to + P, T(0));
        }
        return;
    }
    for (int64_t j = 0; j < columns; j += L)
        for (int64_t k = 0; k < depth; k += L) {
            const T* from = B.first + (n + j) * B.ld + k0 + k;
            T* there = to + k * P + j;
            const int64_t rows = std::min(L, columns - j), width = std::min(L, depth - k);
            typename S::Vector block[L] = {};
            if (width == L) {
                for (int64_t r = 0; r < rows; ++r) block[r] = S::load(from + r * B.ld), prefetch(from + (r + P) * B.ld, 1);
            } else {
                for (int64_t r = 0; r < rows; ++r) std::memcpy(&block[r], from + r * B.ld, width * sizeof(T));
            }
            transpose(block);
            for (int64_t r = 0; r < width; ++r) S::store(there + r * P, block[r]);
        }
}

// z = a (rows, K) B (K, N) + b, into rows with room for whole panels, or tight ones. `adds` to z in place of b. upper: only columns
// from i / PANEL PANEL on of row i. room: ROOM numbers, and if z is tight PANEL for each row.
template <class T>
struct Product {
    static constexpr int64_t P = PANEL<T>, TOGETHER = 4 * P, ROOM = BLOCK_K * TOGETHER;
    const T* a;
    int64_t lda, rows, K;
    Factor<T> B;
    int64_t N;
    const T* b;  // (whole panels,) or null
    T* z;
    int64_t ldz;
    bool is_tight = false, adds = false, is_upper = false;

    void operator()(T* room) const {
        if (rows == 1 && !B.is_transposed && !is_tight && !adds) return one_row();
        for (int64_t n0 = 0; n0 < N; n0 += TOGETHER)
            for (int64_t k = 0; k < K; k += BLOCK_K) {
                const int64_t depth = std::min(BLOCK_K, K - k), n1 = std::min(N, n0 + TOGETHER);
                for (int64_t n = n0; n < n1; n += P) pack(B, k, depth, n, N, room + (n - n0) * BLOCK_K);
                for (int64_t i0 = 0; i0 < rows; i0 += BLOCK_ROWS)
                    for (int64_t n = n0; n < n1; n += P) multiply(k, depth, i0, n, room + (n - n0) * BLOCK_K, room + ROOM);
            }
    }

   private:
    void multiply(int64_t k, int64_t depth, int64_t i0, int64_t n, const T* panel, T* spill) const {
        const int64_t end = std::min({rows, i0 + BLOCK_ROWS, is_upper ? n + P : rows});
        const bool spills = is_tight && n + P > N, goes_on = k > 0 || adds;
        T* const to = spills ? spill : z + n;
        const int64_t ld = spills ? P : ldz;
        for (int64_t i = i0; i < end;) {
            const auto [count, place] = kernel<T>(end - i, N - n);
            T* const at = to + i * ld;
            FORWARD<T, All>[place]({a + i * lda + k, lda, panel, goes_on ? at : b ? b + n : nullptr, goes_on ? ld : 0, at, ld, nullptr, 0},
                                   {static_cast<Index>(depth)}, {});
            i += count;
        }
        if (spills && k + depth == K)
            for (int64_t i = i0; i < end; ++i) std::copy_n(spill + i * P, N - n, z + i * ldz + n);
    }

    // Row by row of B, as it lies in memory, the same sums.
    void one_row() const {
        using S = Simd<T>;
        constexpr int64_t L = S::LANES, ROWS = 8;
        if (b != nullptr) std::copy(b, b + padded<T>(N), z);
        else std::fill(z, z + padded<T>(N), T(0));
        for (int64_t k = 0; k < K; k += ROWS) {
            const int64_t count = std::min(ROWS, K - k);
            const T* from = B.first + k * B.ld;
            int64_t n = 0;
            if (count == ROWS)
                for (; n + L <= N; n += L) {
                    typename S::Vector sum = S::load(z + n);
#pragma GCC unroll 8
                    for (int64_t r = 0; r < ROWS; ++r) sum = multiply_add(a[k + r], S::load(from + r * B.ld + n), sum);
                    S::store(z + n, sum);
                }
            for (; n < N; ++n)
                for (int64_t r = 0; r < count; ++r) z[n] = fused(a[k + r], from[r * B.ld + n], z[n]);
        }
    }
};

// The places of a thread's arrays in its memory.
struct Memory {
    int64_t size = 0;
    int64_t take(int64_t n) { return std::exchange(size, size + n); }
};

template <class T>
class Deriver {
   public:
    Deriver(const std::vector<ChainLayer>& layers, const Derivatives& of, int threads)
        : layers_(layers), of_(of), theta_(static_cast<const T*>(of.theta)), m_(layers.front().K), last_(layers.size() - 1) {
        double back = 0, forth = 0;
        for (const ChainLayer& each : layers) widest_ = std::max(widest_, padded<T>(each.N)), hidden_ += padded<T>(each.N);
        for (size_t l = 0; l < layers.size(); ++l) {
            if (l < last_) back += double(layers[l].K) * double(layers[l].N);
            if (l > 0) forth += double(layers[l].K) * double(layers[l].N);
        }
        goes_forth_ = !of.twice && double(m_) * forth < double(of.k) * back;
        work_ = double(of.k) * back + (of.twice ? double(m_) * (forth + double(m_ * of.k * hidden_) / 2) : 0);
        constexpr int64_t MOST = 1 << 17, FEW = 192;  // numbers of a product's rows, which stay in the cache, and vectors that are worth packing for
        const int64_t vectors = of.twice ? std::max(m_, of.k) : goes_forth_ ? m_ : of.k, share = (of.n + threads - 1) / threads;
        together_ = std::max(MOST / (vectors * (of.twice ? hidden_ : widest_)), of.twice ? 1 : (FEW + vectors - 1) / vectors);
        together_ = std::min(together_, share);
        lay_out(vectors);
    }

    void run(int threads) const {
        constexpr double WORTH = 1e6;  // multiplications of a thread
        const int64_t chunks = (of_.n + together_ - 1) / together_, parts = of_.twice && chunks < threads ? std::min<int64_t>(of_.k, threads) : 1;
        Workers workers(static_cast<int>(std::clamp<double>(std::min(work_ * double(of_.n) / WORTH, double(chunks * parts)), 1, threads)));
        const int present = workers.count();
        std::vector<Array<T>> rooms;
        for (int number = 0; number < present; ++number) rooms.emplace_back(memory_.size);
        workers.run([&](int number) {
            for (int64_t task = number; task < chunks * parts; task += present) {
                const int64_t r0 = task / parts * together_, part = task % parts;
                compute({r0, std::min(of_.n, r0 + together_) - r0, of_.k * part / parts, of_.k * (part + 1) / parts, rooms[number].data()});
            }
        });
    }

   private:
    // Rows r0 to r0 + R, vectors k0 to k1.
    struct Task {
        int64_t r0, R, k0, k1;
        T* memory;

        int64_t k() const { return k1 - k0; }
        T* at(int64_t place) const { return memory + place; }
    };
    // The places of a layer's arrays: z, a, f', f'' (R, N); delta (R k, N); A (R m, N).
    struct Own {
        int64_t ld, z, a, prime, second, delta, A;
    };

    void lay_out(int64_t vectors) {
        room_ = memory_.take(Product<T>::ROOM + (of_.twice ? 0 : together_ * of_.k * PANEL<T>)), bias_ = memory_.take(widest_), ones_ = memory_.take(widest_);
        for (size_t l = 0; l < layers_.size(); ++l) {
            const int64_t ld = distance<T>(layers_[l].N), some = together_ * ld;
            Own own{ld, memory_.take(some), memory_.take(some), memory_.take(some), 0, 0, 0};
            if (of_.twice) own.second = memory_.take(some), own.delta = memory_.take(some * of_.k), own.A = l > 0 && l <= curved() ? memory_.take(some * m_) : 0;
            own_.push_back(own);
        }
        const int64_t ld = distance<T>(std::max(widest_, of_.twice ? m_ : 0));
        stack_ = of_.twice && m_ <= PANEL<T> ? of_.k : 1;
        left_ = memory_.take(std::max(together_ * vectors, stack_ * m_) * ld), right_ = memory_.take(together_ * vectors * ld);
        if (of_.twice) H_ = memory_.take(stack_ * m_ * distance<T>(m_));
    }

    size_t curved() const { return last_ - (last_ > 0 && is_linear(last_)); }  // the last layer that may be
    bool is_linear(size_t l) const { return layers_[l].function == Activation::identity; }
    // The first layer's, which all rows share, lies in theta.
    Rows<T> tangents(size_t l, const Task& task) const {
        return l == 0 ? Rows<T>{theta_ + layers_[0].W, layers_[0].N} : Rows<T>{task.at(own_[l].A), own_[l].ld};
    }
    Factor<T> weights(size_t l, bool is_transposed) const { return {theta_ + layers_[l].W, layers_[l].N, is_transposed}; }

    void compute(const Task& task) const {
        std::fill_n(task.at(ones_), widest_, T(1));
        forward(task);
        if (of_.twice) push(task, curved()), curve(task);
        else if (goes_forth_) push(task, last_), choose(task);
        else pull(task);
    }

    // z, f(z) and the derivatives that are needed.
    void forward(const Task& task) const {
        Rows<T> a{static_cast<const T*>(of_.X) + task.r0 * m_, m_};
        for (size_t l = 0; l <= last_ && !(l == last_ && is_linear(l)); ++l) {
            const auto& [K, N, W, b, function, c] = layers_[l];
            const Own& own = own_[l];
            const int64_t width = padded<T>(N);
            T* bias = task.at(bias_);
            if (b >= 0) std::copy_n(theta_ + b, N, bias), std::fill(bias + N, bias + width, T(0));
            Product<T>{a.first, a.ld, task.R, K, weights(l, false), N, b >= 0 ? bias : nullptr, task.at(own.z), own.ld}(task.at(room_));
            const Rows<T> z{task.at(own.z), own.ld}, ones{task.at(ones_), 0};
            a = {task.at(own.a), own.ld};
            activate_rows(function, T(c), z, task.at(own.a), own.ld, task.R, width);
            times_prime_rows<T>(function, T(c), z, a, nullptr, ones, task.at(own.prime), own.ld, task.R, width, false);
            if (!of_.twice) continue;
            std::fill_n(task.at(own.second), task.R * own.ld, T(0));
            add_bend_rows<T>(function, T(c), z, a, nullptr, ones, ones, task.at(own.second), own.ld, task.R, width);
        }
    }

    // to (R count, N) = from by, by (R, N); from (count, N) for all rows, or (R count, N).
    static void scale(Rows<T> from, bool is_shared, Rows<T> by, int64_t R, int64_t count, T* to, int64_t ld, int64_t N) {
        for (int64_t i = 0; i < R * count; ++i, to += ld) {
            const T *x = from.row(is_shared ? i % count : i), *y = by.row(i / count);
            for (int64_t j = 0; j < N; ++j) to[j] = x[j] * y[j];
        }
    }

    // A_l (R m, N) for l up to `end`.
    void push(const Task& task, size_t end) const {
        for (size_t l = 1; l <= end; ++l) {
            const Own& below = own_[l - 1];
            const int64_t ld = goes_forth_ ? distance<T>(widest_) : own_[l].ld, N = layers_[l - 1].N;
            scale(goes_forth_ && l > 1 ? Rows<T>{task.at(right_), ld} : tangents(l - 1, task), l == 1, {task.at(below.prime), below.ld}, task.R, m_,
                  task.at(left_), below.ld, N);
            Product<T>{task.at(left_), below.ld, task.R * m_, N, weights(l, false), layers_[l].N, nullptr,
                       task.at(goes_forth_ ? right_ : own_[l].A), ld}(task.at(room_));
        }
    }

    // out (k, m) = u (k, N) d out / d x^T, of each row
    void choose(const Task& task) const {
        const int64_t N = layers_[last_].N, ld = distance<T>(widest_);
        const bool is_shared = last_ == 0;
        Rows<T> A = is_shared ? tangents(0, task) : Rows<T>{task.at(right_), ld};
        if (!is_linear(last_)) {
            scale(A, is_shared, {task.at(own_[last_].prime), own_[last_].ld}, task.R, m_, task.at(left_), ld, N);
            A = {task.at(left_), ld};
        }
        for (int64_t i = 0; i < task.R; ++i) {
            const int64_t row = task.r0 + i;
            Product<T>{vectors(row, 0), N, of_.k, N, {A.row(is_shared && is_linear(last_) ? 0 : i * m_), A.ld, true}, m_, nullptr,
                       static_cast<T*>(of_.out) + row * of_.k * m_, m_, true}(task.at(room_));
        }
    }

    const T* vectors(int64_t row, int64_t k) const {
        return static_cast<const T*>(of_.u) + ((of_.is_for_each_row ? row * of_.k : 0) + k) * layers_[last_].N;
    }

    // out, or delta_l of all layers: (R k, N), or (k, N) while all rows have the same.
    void pull(const Task& task) const {
        const int64_t k = task.k();
        T* const out = static_cast<T*>(of_.out) + task.r0 * k * m_;
        Rows<T> delta{vectors(task.r0, task.k0), layers_[last_].N};
        bool is_shared = !of_.is_for_each_row;
        for (size_t l = last_ + 1; l-- > 0;) {
            const Own& own = own_[l];
            const int64_t N = layers_[l].N, K = layers_[l].K;
            if (of_.twice && !is_linear(l))  // delta f''(z)
                scale(delta, is_shared, {task.at(own.second), own.ld}, task.R, k, task.at(own.delta), own.ld, N);
            if (!is_linear(l)) {
                scale(delta, is_shared, {task.at(own.prime), own.ld}, task.R, k, task.at(left_), own.ld, N);
                delta = {task.at(left_), own.ld}, is_shared = false;
            }
            if (l == 0 && of_.twice) return;
            const int64_t ld = l > 0 ? own_[l - 1].ld : m_;
            T* const to = l > 0 ? task.at(right_) : out;
            const int64_t rows = is_shared ? k : task.R * k;
            Product<T>{delta.first, delta.ld, rows, N, weights(l, true), K, nullptr, to, ld, l == 0}(task.at(room_));
            if (l == 0)
                for (int64_t i = rows; i < task.R * k; i += k) std::copy_n(out, k * m_, out + i * m_);
            else if (is_linear(l - 1))  // nothing scales it into the other array
                std::copy_n(to, rows * ld, task.at(left_)), delta = {task.at(left_), ld};
            else
                delta = {to, ld};
        }
    }

    // out (k, m, m), of each row
    void curve(const Task& task) const {
        pull(task);
        const int64_t ld = distance<T>(m_), k = task.k();
        T* const H = task.at(H_);
        for (int64_t i = 0; i < task.R; ++i)
            for (int64_t q = 0; q < k; q += stack_) {
                const int64_t count = std::min(stack_, k - q);
                bool adds = false;
                for (size_t l = 0; l <= last_; ++l) {
                    if (is_linear(l)) continue;
                    const int64_t N = layers_[l].N, own = own_[l].ld;
                    const Rows<T> A = tangents(l, task).from(l > 0 ? i * m_ : 0);
                    for (int64_t j = 0; j < count; ++j)
                        scale(A, true, {task.at(own_[l].delta) + (i * k + q + j) * own, own}, 1, m_, task.at(left_) + j * m_ * own, own, N);
                    Product<T>{task.at(left_), own, count * m_, N, {A.first, A.ld, true}, m_, nullptr, H, ld, false, adds, m_ > PANEL<T>}(task.at(room_));
                    adds = true;
                }
                T* const out = static_cast<T*>(of_.out) + ((task.r0 + i) * of_.k + task.k0 + q) * m_ * m_;
                if (!adds) std::fill_n(out, count * m_ * m_, T(0));
                else
                    for (int64_t j = 0; j < count; ++j) mirror(H + j * m_ * ld, ld, out + j * m_ * m_);
            }
    }

    // out (m, m) from its upper triangle, in blocks
    void mirror(const T* H, int64_t ld, T* out) const {
        using S = Simd<T>;
        constexpr int64_t L = S::LANES;
        for (int64_t i = 0; i < m_; i += L)
            for (int64_t j = i; j < m_; j += L) {
                const int64_t rows = std::min(L, m_ - i), columns = std::min(L, m_ - j);
                if (i < j && rows == L && columns == L) {
                    typename S::Vector block[L];
                    for (int64_t r = 0; r < L; ++r) block[r] = S::load(H + (i + r) * ld + j), S::store(out + (i + r) * m_ + j, block[r]);
                    transpose(block);
                    for (int64_t r = 0; r < L; ++r) S::store(out + (j + r) * m_ + i, block[r]);
                    continue;
                }
                for (int64_t r = 0; r < rows; ++r)
                    for (int64_t c = i < j ? 0 : r; c < columns; ++c) out[(i + r) * m_ + j + c] = out[(j + c) * m_ + i + r] = H[(i + r) * ld + j + c];
            }
    }

    const std::vector<ChainLayer>& layers_;
    const Derivatives& of_;
    const T* const theta_;
    const int64_t m_;
    const size_t last_;
    int64_t widest_ = 0, hidden_ = 0, together_ = 1, stack_ = 1;  // hidden_: the widths' sum
    double work_ = 0;
    bool goes_forth_ = false;
    Memory memory_;
    std::vector<Own> own_;
    int64_t room_ = 0, bias_ = 0, ones_ = 0, left_ = 0, right_ = 0, H_ = 0;
};

template <class T>
void derive(const std::vector<ChainLayer>& layers, const Derivatives& of, int threads) {
    if (of.n > 0 && of.k > 0) Deriver<T>(layers, of, threads).run(threads);
}

}  // namespace chainrule::CHAINRULE_ISA
