// Chains of dense layers in 8-bit integers. Compiled once for each instruction set.
#include "integers.h"

#include <atomic>
#include <mutex>

#include "blocks32.h"
#include "threads.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

constexpr int L = Simd<int32_t>::LANES, P = 2 * L;  // columns of a vector and of a panel
constexpr int64_t TILE_TERMS = 64;                  // of a row of a tile
constexpr int64_t ROOM_BYTES = 1 << 18;             // of the rows that a thread computes together, which stay in its L2 cache
constexpr int64_t MOST_ROWS = 128;
constexpr double WORK_OF_A_THREAD = 4e6;            // multiplications worth waking a thread for
typedef uint32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Sums __attribute__((vector_size(VECTOR_BYTES)));

// sum + x . w of each word: of two integers of 16 bits, or of four of 8 bits, those of x without a sign.
template <IntegerProducts PRODUCTS>
inline Sums add_products(uint32_t x, Words w, Sums sum) {
    [[maybe_unused]] const Words both = Words{} + x;
    if constexpr (PRODUCTS == IntegerProducts::pairs) {
#if defined(__AVX512F__)
        return sum + (Sums)_mm512_madd_epi16((__m512i)both, (__m512i)w);
#elif defined(__AVX2__) && !defined(CHAINRULE_FOR_wide)
        return sum + (Sums)_mm256_madd_epi16((__m256i)both, (__m256i)w);
#elif defined(__SSE2__) && !defined(CHAINRULE_FOR_wide)
        return sum + (Sums)_mm_madd_epi16((__m128i)both, (__m128i)w);
#else
        const Sums low = ((Sums)w << 16) >> 16, high = (Sums)w >> 16;
        return sum + low * static_cast<int16_t>(x & 0xffffu) + high * static_cast<int16_t>(x >> 16);
#endif
    } else {
#if defined(CHAINRULE_PAIRS)
        asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(both), "v"(w));
        return sum;
#else
        for (int byte = 0; byte < 4; ++byte)
            sum += (((Sums)w << (24 - 8 * byte)) >> 24) * static_cast<int32_t>(x >> (8 * byte) & 0xffu);
        return sum;
#endif
    }
}

// The larger and the smaller of each number and a bound; the bound in place of NaN. Of AVX-512, GCC would compare and blend.
template <class V, class T>
inline V at_least(V x, T bound) {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, float>) return (V)_mm512_max_ps((__m512)x, _mm512_set1_ps(bound));
    else return (V)_mm512_max_epi32((__m512i)x, _mm512_set1_epi32(bound));
#else
    return x > bound ? x : V{} + bound;
#endif
}
template <class V, class T>
inline V at_most(V x, T bound) {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, float>) return (V)_mm512_min_ps((__m512)x, _mm512_set1_ps(bound));
    else return (V)_mm512_min_epi32((__m512i)x, _mm512_set1_epi32(bound));
#else
    return x < bound ? x : V{} + bound;
#endif
}

// A layer whose weights lie in panels of P columns, (words of terms, P) each, and what follows its sums.
struct PackedLayer {
    int64_t K, N, terms;  // terms: K in whole words, or in whole rows of tiles
    Array<uint32_t> panels;
    Array<int32_t> bias, multiplier, shift;  // (columns of all panels,); of bias the zero of the inputs is taken off, shift is 1 to 62
    bool is_narrow;  // no scaled sum is beyond 32 bits
    int zero_out, low, next_zero;  // next_zero: that the next layer's products take off
    const int8_t* table;  // null for none
};

// The sums (rows, P) of a panel for some rows of words.
struct Tile {
    const uint32_t* a;
    int64_t lda;
    const uint32_t* panel;
    int64_t words;
    int32_t* sums;
};
template <IntegerProducts PRODUCTS, int ROWS>
[[gnu::noinline]] void multiply_tile_of(const Tile& of) {
    Sums sum[ROWS][2] = {};
    const uint32_t* panel = of.panel;
    for (Index w = 0; w < static_cast<Index>(of.words); ++w, panel += P) {
        Words column[2];
        std::memcpy(column, panel, sizeof column);
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i) {
            const uint32_t x = of.a[i * of.lda + w];
            sum[i][0] = add_products<PRODUCTS>(x, column[0], sum[i][0]);
            sum[i][1] = add_products<PRODUCTS>(x, column[1], sum[i][1]);
        }
    }
    // One by one: of an array that is copied whole, GCC would store every sum at every word.
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i) {
        std::memcpy(of.sums + i * P, &sum[i][0], sizeof(Sums));
        std::memcpy(of.sums + i * P + L, &sum[i][1], sizeof(Sums));
    }
}
// The same of any number of rows, the tallest tiles first.
template <IntegerProducts PRODUCTS, int ROWS = TILE_ROWS>
void multiply_some_rows(Tile of, int64_t rows) {
    for (; rows >= ROWS; rows -= ROWS, of.a += ROWS * of.lda, of.sums += ROWS * P) multiply_tile_of<PRODUCTS, ROWS>(of);
    if constexpr (ROWS > 1)
        if (rows > 0) multiply_some_rows<PRODUCTS, ROWS / 2>(of, rows);
}

#if defined(CHAINRULE_TILES)
template <int SUM, int A, int B>
inline void multiply_quads() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(SUM), "i"(A), "i"(B));
}
// The same by tiles of 16 rows, of one or two of which all can be read.
template <bool IS_TALL>
void multiply_in_tiles(const Tile& of) {
    asm volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
    for (int64_t w = 0; w < of.words; w += SIDE) {
        load_tile<4>(of.a + w, of.lda);
        load_tile<6>(of.panel + w * P, P);
        multiply_quads<0, 4, 6>();
        load_tile<7>(of.panel + w * P + SIDE, P);
        multiply_quads<1, 4, 7>();
        if constexpr (IS_TALL) {
            load_tile<5>(of.a + SIDE * of.lda + w, of.lda);
            multiply_quads<2, 5, 6>();
            multiply_quads<3, 5, 7>();
        }
    }
    store_tile<0>(of.sums, P);
    store_tile<1>(of.sums + SIDE, P);
    if constexpr (IS_TALL) store_tile<2>(of.sums + SIDE * P, P);
    if constexpr (IS_TALL) store_tile<3>(of.sums + SIDE * P + SIDE, P);
}
#endif

// scaled(x): x multiplier 2^-shift, halves go up.
inline int64_t scale_sum(int32_t x, int32_t multiplier, int32_t shift) {
    return (int64_t{x} * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// The integers of some rows of sums of the panel at column n, by to(row, column of the panel, vector of L integers).
template <class To>
void scale_rows(const PackedLayer& layer, const int32_t* sums, int64_t rows, int64_t n, const To& to) {
    for (int64_t j = 0; j < P; j += L) {
        const int32_t *bias = &layer.bias[n + j], *multiplier = &layer.multiplier[n + j], *shift = &layer.shift[n + j];
#if defined(__AVX512F__)
        if (layer.is_narrow) {  // products of the even and of the odd columns, in 64 bits
            const __m512i b = _mm512_loadu_si512(bias), m = _mm512_loadu_si512(multiplier), s = _mm512_loadu_si512(shift), one = _mm512_set1_epi64(1);
            const __m512i odd_m = _mm512_srli_epi64(m, 32), odd_s = _mm512_srli_epi64(s, 32), even_s = _mm512_and_si512(s, _mm512_set1_epi64(0xffffffff));
            const __m512i even_half = _mm512_sllv_epi64(one, _mm512_sub_epi64(even_s, one)), odd_half = _mm512_sllv_epi64(one, _mm512_sub_epi64(odd_s, one));
            const __m512i zero = _mm512_set1_epi32(layer.zero_out);
            for (int64_t i = 0; i < rows; ++i) {
                const __m512i x = _mm512_add_epi32(_mm512_loadu_si512(sums + i * P + j), b);
                const __m512i even = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(x, m), even_half), even_s);
                const __m512i odd = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(x, 32), odd_m), odd_half), odd_s);
                const __m512i both = _mm512_add_epi32(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)), zero);
                to(i, j, at_most(at_least((Sums)both, layer.low), 127));
            }
            continue;
        }
#endif
        for (int64_t i = 0; i < rows; ++i) {
            Sums made;
            for (int lane = 0; lane < L; ++lane) {
                const int32_t sum = static_cast<int32_t>(static_cast<uint32_t>(sums[i * P + j + lane]) + static_cast<uint32_t>(bias[lane]));
                const int64_t q = scale_sum(sum, multiplier[lane], shift[lane]) + layer.zero_out;
                made[lane] = static_cast<int32_t>(std::clamp<int64_t>(q, layer.low, 127));
            }
            to(i, j, made);
        }
    }
}

template <class Term>
struct TermsOf {
    typedef Term Vector __attribute__((vector_size(L * sizeof(Term))));
};
// Stores integers as terms of L bytes or of 16 bits.
template <class Term>
inline void store_terms(Sums q, void* to) {
    const auto terms = __builtin_convertvector(q, typename TermsOf<Term>::Vector);
    std::memcpy(to, &terms, sizeof terms);
}

// round(x / scale) + zero, halves away from 0, clipped; NaN becomes the lowest. Less what the products take off.
class Quantizer {
   public:
    static constexpr int64_t TOGETHER = 256;

    Quantizer(float scale, int zero, int off) : scale_(scale), inverse_(1 / scale), zero_(zero), off_(off) {}

    // The integers of `from` (n,), at most TOGETHER. A quotient of less than 256 by multiplication is off by less than NEAR; where that might
    // change an integer, all are divided.
    template <class Term>
    void quantize_some(const float* from, Term* to, int64_t n) const {
        Sums is_near = {};
        each_vector(from, to, n, [&](V x) { return integers_of(x * inverse_, is_near); });
        bool is_any = false;
        for (int lane = 0; lane < L; ++lane) is_any |= is_near[lane] != 0;
        if (is_any) each_vector(from, to, n, [&](V x) { return exactly(x / scale_); });
    }

   private:
    using V = Simd<float>::Vector;
    static constexpr float FAR = 512, NEAR = 0x1p-14f;

    template <class Term, class F>
    static void each_vector(const float* from, Term* to, int64_t n, const F& f) {
        const int64_t whole = n / L * L;
        for (int64_t i = 0; i < whole; i += L) store_terms<Term>(f(Simd<float>::load(from + i)), to + i);
        if (whole == n) return;
        float some[L] = {};
        Term terms[L];
        std::copy(from + whole, from + n, some);
        store_terms<Term>(f(Simd<float>::load(some)), terms);
        std::copy_n(terms, n - whole, to + whole);
    }
    static V within(V x) { return at_most(at_least(x, -FAR), FAR); }
    Sums clipped(Sums q) const {
        return at_most(at_least(q + zero_, -128), 127) - off_;
    }
    // is_near: whether x, rounded with another error, might be another integer.
    Sums integers_of(V x, Sums& is_near) const {
        x = within(x);
        const Sums half = ((Sums)x & std::numeric_limits<int32_t>::min()) | std::bit_cast<int32_t>(0.5f);
        x += (V)half;
        const Sums q = __builtin_convertvector(x, Sums);
        const V rest = (V)((Sums)(x - __builtin_convertvector(q, V)) & std::numeric_limits<int32_t>::max()) - 0.5f;
        is_near |= (V)((Sums)rest & std::numeric_limits<int32_t>::max()) > 0.5f - NEAR;
        return clipped(q);
    }
    Sums exactly(V x) const {
        x = within(x);
        const Sums whole = __builtin_convertvector(x, Sums);
        const V rest = x - __builtin_convertvector(whole, V);
        return clipped(whole + __builtin_convertvector(rest + rest, Sums));
    }

    float scale_, inverse_;
    int zero_, off_;
};

class Chain final : public IntegerNet {
   public:
    Chain(const IntegerChain& of, IntegerProducts products) : of_(of), products_(products), term_bytes_(products == IntegerProducts::pairs ? 2 : 1) {
        const int64_t a_word = 4 / term_bytes_, whole = products == IntegerProducts::tiles ? TILE_TERMS : a_word;
        int64_t widest = P;
        for (const IntegerLayer& layer : of_.layers) {
            PackedLayer& made = layers_.emplace_back();
            made.K = layer.K, made.N = layer.N, made.terms = (layer.K + whole - 1) / whole * whole;
            pack(layer, made);
            widest = std::max({widest, made.terms, (layer.N + P - 1) / P * P});
            work_ += double(layer.K) * double(layer.N);
        }
        for (size_t l = 0; l + 1 < layers_.size(); ++l) layers_[l].next_zero = offset_of(of_.layers[l + 1]);
        const int64_t lines = (widest * term_bytes_ + CACHE_LINE - 1) / CACHE_LINE | 1;
        distance_ = lines * CACHE_LINE;
        rows_ = std::clamp<int64_t>(ROOM_BYTES / distance_ / (2 * SIDE) * (2 * SIDE), 2 * SIDE, MOST_ROWS);
    }

    bool run(const Samples& samples, int64_t n, float* out, int threads) const override {
        const int64_t parts = (n + SIDE - 1) / SIDE;
        const double worth = double(n) * work_ / WORK_OF_A_THREAD;
        Workers workers(static_cast<int>(std::clamp<double>(std::min(worth, double(parts)), 1, threads)));
        const int present = workers.count();
        std::vector<std::unique_ptr<Room>> rooms = take(present);
        std::atomic<bool> is_finite{true};
        workers.run([&](int number) {
            const TilesInUse here(products_ == IntegerProducts::tiles);
            const int64_t begin = std::min(n, parts * number / present * SIDE), end = std::min(n, parts * (number + 1) / present * SIDE);
            for (int64_t r0 = begin; r0 < end; r0 += rows_)
                if (!compute(samples, r0, std::min(end, r0 + rows_), out, *rooms[number])) is_finite.store(false, std::memory_order_relaxed);
        });
        give_back(std::move(rooms));
        return is_finite.load(std::memory_order_relaxed);
    }

   private:
    struct Room {
        Array<uint8_t> values[2];  // (rows_, distance_) each
    };

    // What the products take off an integer: its zero, or -128, so that all have no sign.
    int offset_of(const IntegerLayer& layer) const { return products_ == IntegerProducts::pairs ? layer.zero : -128; }

    void pack(const IntegerLayer& layer, PackedLayer& made) const {
        const int64_t columns = (layer.N + P - 1) / P * P, a_word = 4 / term_bytes_;
        made.panels.resize(columns * made.terms / a_word);
        made.bias.resize(columns), made.multiplier.resize(columns), made.shift.resize(columns);
        std::fill(made.shift.begin(), made.shift.end(), 31);
        made.is_narrow = true, made.zero_out = layer.zero_out, made.low = layer.low, made.next_zero = 0;
        made.table = layer.table.empty() ? nullptr : layer.table.data();
        for (int64_t n = 0; n < layer.N; ++n) {
            int64_t sum = 0;
            for (int64_t k = 0; k < layer.K; ++k) {
                const int w = layer.W[k * layer.N + n];
                sum += w;
                uint32_t& word = made.panels[n / P * P * (made.terms / a_word) + k / a_word * P + n % P];
                word |= (static_cast<uint32_t>(w) & (term_bytes_ == 1 ? 0xffu : 0xffffu)) << (k % a_word * 8 * term_bytes_);
            }
            made.bias[n] = static_cast<int32_t>(layer.bias[n] + (offset_of(layer) - layer.zero) * sum);
            made.multiplier[n] = layer.multiplier[n], made.shift[n] = 31 - layer.shift[n];
            made.is_narrow &= layer.shift[n] <= 0;
        }
    }

    // The rows r0 to r1 of `out`; false if a sample is not finite.
    bool compute(const Samples& samples, int64_t r0, int64_t r1, float* out, Room& room) const {
        const int64_t rows = r1 - r0, outputs = layers_.back().N;
        uint8_t *from = room.values[0].data(), *to = room.values[1].data();
        const bool is_finite = term_bytes_ == 1 ? read<uint8_t>(samples, r0, r1, from) : read<int16_t>(samples, r0, r1, from);
        for (const PackedLayer& layer : layers_) {
            const bool is_last = &layer == &layers_.back();
            multiply(layer, from, rows, [&](const int32_t* sums, int64_t i0, int64_t i1, int64_t n) {
                scale_rows(layer, sums, i1 - i0, n, [&](int64_t i, int64_t j, Sums q) {
                    if (layer.table != nullptr)
                        for (int lane = 0; lane < L; ++lane) q[lane] = layer.table[q[lane] + 128];
                    if (is_last) {
                        float* row = out + (r0 + i0 + i) * outputs + n + j;
                        for (int lane = 0; lane < std::min<int64_t>(L, outputs - n - j); ++lane) row[lane] = of_.numbers[q[lane] + 128];
                    } else {
                        write(q - layer.next_zero, to + (i0 + i) * distance_ + (n + j) * term_bytes_);
                    }
                });
            });
            std::swap(from, to);
        }
        return is_finite;
    }

    void write(Sums q, uint8_t* to) const {
        if (term_bytes_ == 1)
            store_terms<uint8_t>(q, to);
        else
            store_terms<int16_t>(q, to);
    }

    // Calls finish(sums, i0, i1, n) for the sums of rows i0 to i1 of each panel, a step later than they were made.
    template <class Finish>
    void multiply(const PackedLayer& layer, const uint8_t* a, int64_t rows, const Finish& finish) const {
        alignas(CACHE_LINE) int32_t sums[2][2 * SIDE * P];
        const int64_t lda = distance_ / 4, words = layer.terms * term_bytes_ / 4;
        int64_t at = 0, i_done = -1, n_done = 0;
        const auto finish_last = [&] {
            if (i_done >= 0) finish(sums[(at + 1) % 2], i_done, std::min(rows, i_done + 2 * SIDE), n_done);
        };
        for (int64_t n = 0; n < layer.N; n += P)
            for (int64_t i = 0; i < rows; i += 2 * SIDE) {
                const int64_t height = std::min(2 * SIDE, rows - i);
                const Tile tile{reinterpret_cast<const uint32_t*>(a) + i * lda, lda, layer.panels.data() + n * words, words, sums[at % 2]};
                if (products_ == IntegerProducts::pairs) multiply_some_rows<IntegerProducts::pairs>(tile, height);
#if defined(CHAINRULE_TILES)
                else if (products_ == IntegerProducts::tiles) height > SIDE ? multiply_in_tiles<true>(tile) : multiply_in_tiles<false>(tile);
#endif
                else if constexpr (HAS_PAIRS) multiply_some_rows<IntegerProducts::quads>(tile, height);
                finish_last();
                i_done = i, n_done = n, ++at;
            }
        finish_last();
    }

    // The integers of rows r0 to r1, less what the products take off; false if a number is not finite.
    template <class Term>
    bool read(const Samples& samples, int64_t r0, int64_t r1, uint8_t* to) const {
        if (samples.type == 0) return read_as<Term, uint8_t>(samples, r0, r1, to);
        return samples.type == 1 ? read_as<Term, float>(samples, r0, r1, to) : read_as<Term, double>(samples, r0, r1, to);
    }
    template <class Term, class U>
    bool read_as(const Samples& samples, int64_t r0, int64_t r1, uint8_t* to) const {
        const int64_t K = layers_.front().K, column = samples.column;
        const Quantizer quantizer(of_.scale, of_.layers.front().zero, offset_of(of_.layers.front()));
        constexpr int64_t TOGETHER = Quantizer::TOGETHER;
        alignas(CACHE_LINE) Term each[TOGETHER];
        alignas(CACHE_LINE) float some[TOGETHER] = {};
        if constexpr (std::is_same_v<U, uint8_t>) {
            for (int x = 0; x < 256; ++x) some[x] = static_cast<float>(x);
            quantizer.quantize_some(some, each, TOGETHER);
        }
        bool is_finite = true;
        for (int64_t i = r0; i < r1; ++i, to += distance_) {
            const U* row = reinterpret_cast<const U*>(static_cast<const char*>(samples.X) + i * samples.stride);
            Term* terms = reinterpret_cast<Term*>(to);
            if constexpr (std::is_same_v<U, uint8_t>) {
                for (int64_t k = 0; k < K; ++k) terms[k] = each[row[k * column]];
                continue;
            } else {
                for (int64_t k = 0; k < K; k += TOGETHER) {
                    const int64_t n = std::min(TOGETHER, K - k);
                    const bool is_read = std::is_same_v<U, float> && column == 1;
                    if (!is_read)
                        for (int64_t j = 0; j < n; ++j) some[j] = static_cast<float>(row[(k + j) * column]);
                    quantizer.quantize_some(is_read ? reinterpret_cast<const float*>(row + k) : some, terms + k, n);
                }
                if (column == 1) is_finite &= all_finite(row, K);
                else
                    for (int64_t k = 0; k < K; ++k) is_finite &= std::isfinite(row[k * column]);
            }
        }
        return is_finite;
    }

    std::vector<std::unique_ptr<Room>> take(int count) const {
        std::vector<std::unique_ptr<Room>> found;
        {
            const std::lock_guard lock(mutex_);
            while (!free_.empty() && static_cast<int>(found.size()) < count) found.push_back(std::move(free_.back())), free_.pop_back();
        }
        while (static_cast<int>(found.size()) < count) {
            Room& room = *found.emplace_back(std::make_unique<Room>());
            for (auto& values : room.values) values.resize(rows_ * distance_);
        }
        return found;
    }
    void give_back(std::vector<std::unique_ptr<Room>> rooms) const {
        const std::lock_guard lock(mutex_);
        for (auto& room : rooms) free_.push_back(std::move(room));
    }

    IntegerChain of_;
    IntegerProducts products_;
    int64_t term_bytes_, distance_ = 0, rows_ = 0;
    double work_ = 0;
    std::vector<PackedLayer> layers_;
    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<Room>> free_;  // those that no call uses
};

}  // namespace

std::unique_ptr<IntegerNet> make_integers(const IntegerChain& chain, IntegerProducts products) {
    return std::make_unique<Chain>(chain, products);
}

}  // namespace chainrule::CHAINRULE_ISA
