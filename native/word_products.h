// The three products of a dense layer on words (halves.h), and their operands.
#pragma once

#include "epilogues.h"
#include "net.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t ROWS_TOGETHER = 256;            // rows that a thread has in words at a time: they stay in its L2 cache
constexpr int64_t PLANE = ROWS_TOGETHER * BLOCK;  // sums of a panel for these rows

// Rows of activations as words, an odd number of cache lines apart.
constexpr int64_t distance_of_words(int64_t width) {
    return words(width) + (words(width) % (2 * BLOCK_WORDS) == 0 ? BLOCK_WORDS : 0);
}

// a or delta: its rows, and its columns as sums over samples read them. (groups, rows, width) numbers, of which a thread writes some rows from the start of a block on. The product that makes them gives them
// tile by tile, if nothing else reads them; else they are read from whole rows of floats.
class Operand {
   public:
    enum class Role { a, delta };

    explicit Operand(Role role) : role_(role) {}

    [[gnu::cold]] void allocate(bool has_tiles, int groups, int64_t rows, int64_t width, bool is_given, bool has_samples) {
        has_tiles_ = has_tiles, samples_ = in_blocks(rows), width_ = width, padded_ = padded<float>(width);
        if (is_given) rows_.resize(samples_ * distance());
        if (has_samples) columns_.resize(groups * samples_ / 2 * padded_);
    }
    bool is_given() const { return !rows_.empty(); }
    int64_t distance() const { return distance_of_words(width_); }
    const Pair* row(int64_t i) const { return rows_.data() + i * distance(); }
    // Words of samples of the columns of a group from column k and sample s (at the start of a block) on. With tiles those of a are in
    // squares: (16 columns `of_tiles` apart, blocks of samples, 16, 16), else (words of samples, `of_words`). delta: panels (words of
    // samples, PANEL).
    Pair* columns(int group, int64_t k, int64_t s) {
        Pair* found = columns_.data() + group * samples_ / 2 * padded_;
        if (role_ == Role::delta) return found + (k * samples_ + s * PANEL<float>) / 2;
        return has_tiles_ ? found + (k * samples_ + s * SIDE) / 2 : found + s / 2 * padded_ + k;
    }
    int64_t of_tiles() const { return samples_ / 2 * SIDE; }
    int64_t of_words() const { return padded_; }

    // Takes rows r0 to r1 of a group.
    void read(const float* from, int64_t ld, int group, int64_t r0, int64_t r1) {
        constexpr int64_t P = PANEL<float>;
        if (columns_.empty()) return;
        if (role_ == Role::a && has_tiles_) return transpose_columns(from, ld, columns(group, 0, r0), of_tiles(), r1 - r0, width_);
        with_order(has_tiles_, [&](auto order) {
            if (role_ == Role::a)
                pair_rows<order()>(from, ld, columns(group, 0, r0), padded_, r1 - r0, width_);
            else
                for (int64_t n = 0; n < width_; n += P)
                    pair_rows<order()>(from + n, ld, columns(group, n, r0), P, r1 - r0, std::min(P, width_ - n));
        });
    }
    // Takes the first `rows` rows of a tile (BLOCK, PANEL) of bfloat16 numbers: those from row r0 and column n on. The tile's other numbers
    // become 0. For tiles alone.
    void take(float* tile, int64_t r0, int64_t rows, int64_t n) {
        constexpr int64_t P = PANEL<float>;
        if (width_ - n < P)
            for (int64_t i = 0; i < rows; ++i) std::fill(tile + i * P + width_ - n, tile + (i + 1) * P, 0.0f);
        for (int64_t i = 0; i < rows; ++i) pair_block<Order::neighbors>(tile + i * P, rows_.data() + (r0 + i) * distance() + n / 2);
        if (columns_.empty()) return;
        std::fill(tile + rows * P, tile + BLOCK * P, 0.0f);
        if (role_ == Role::a)
            transpose_columns(tile, P, columns(0, n, r0), of_tiles(), BLOCK, P);
        else
            pair_rows<Order::neighbors>(tile, P, columns(0, n, r0), P, BLOCK, P);
    }
    // The numbers of a row that was taken tile by tile, from column n on.
    void numbers(int64_t i, int64_t n, int64_t count, float* to) const {
        const Pair* from = row(i) + n / 2;
        for (int64_t w = 0; w < count / 2; ++w) to[2 * w] = std::bit_cast<float>(from[w] << 16), to[2 * w + 1] = std::bit_cast<float>(from[w] & 0xffff0000u);
    }

    // Measures rows r0 to r1 of an operand that is given tile by tile. Returns false for another.
    bool measure(Largest<float>& largest, int64_t r0, int64_t r1) const {
        float some[BLOCK];
        for (int64_t i = r0; i < r1 && is_given(); ++i)
            for (int64_t n = 0; n < width_; n += BLOCK) numbers(i, n, BLOCK, some), largest.add(some, BLOCK);
        return is_given();
    }
    // Calls use(words, distance of rows, r, rows) for some of rows r0 to r1 at a time. Unless they were given, their words are written to
    // `room` on the way, and those of samples.
    template <class Use>
    void each_rows(Rows<float> from, Pair* room, int group, int64_t r0, int64_t r1, Use&& use) {
        const int64_t ld = distance();
        for (int64_t r = r0; r < r1; r += ROWS_TOGETHER) {
            const int64_t rows = std::min(ROWS_TOGETHER, r1 - r);
            if (is_given()) {
                use(row(r), ld, r, rows);
                continue;
            }
            with_order(has_tiles_, [&](auto order) { pair_columns<order()>(from.row(r), from.ld, room, ld, rows, width_); });
            read(from.row(r), from.ld, group, r, r + rows);
            use(room, ld, r, rows);
        }
    }
    // sums (PANEL,) plus delta's numbers of samples r0 to r1 from column n on, in the order of the samples. For tiles alone.
    void add_samples(int group, int64_t n, int64_t r0, int64_t r1, float* sums) {
        constexpr int64_t P = PANEL<float>;
        const Pair* from = columns(group, n, r0);
        for (int64_t w = 0; w < words(r1 - r0); ++w, from += P) {
            for (int64_t j = 0; j < P; ++j) sums[j] += std::bit_cast<float>(from[j] << 16);
            for (int64_t j = 0; j < P; ++j) sums[j] += std::bit_cast<float>(from[j] & 0xffff0000u);
        }
    }

   private:
    Role role_;
    bool has_tiles_ = false;
    int64_t samples_ = 0, width_ = 0, padded_ = 0;  // samples: rows in whole blocks
    Array<Pair> rows_, columns_;
};

// The products of W (K, N) of each group, (K, N) words both ways. `at` is some rows of a batch, with the memory of their thread (ops/base.h).
class WordProducts {
   public:
    WordProducts(int64_t K, int64_t N) : K_(K), N_(N) {}

    // Tiles of a and delta go from a product to the next, without a buffer.
    void lead_to(WordProducts& next) { next_ = &next, next.before_ = this; }
    bool leads_forth() const { return next_ != nullptr; }
    bool leads_back() const { return before_ != nullptr; }

    [[gnu::cold]] void allocate(bool has_tiles, int groups, int64_t rows, bool has_samples) {
        has_tiles_ = has_tiles;
        a_.allocate(has_tiles, groups, rows, K_, leads_back(), has_samples);
        delta_.allocate(has_tiles, groups, rows, N_, leads_forth(), has_samples);
    }
    [[gnu::cold]] void reserve(Workspace<float>& own, int64_t rows) const {
        own.need_words(in_blocks(std::min(ROWS_TOGETHER, rows)) * (words(std::max(K_, N_)) + BLOCK_WORDS));
        if (leads_forth() || leads_back()) own.need(2 * PLANE);
    }

    // z (r1 - r0, N) = a W + b, or IS_FORTH being false dL/da = delta W^T, as forward_rows has it.
    template <bool IS_FORTH, class Work, class Finish>
    void product(Rows<float> a, const Array<Pair>& pairs, const float* b, float* z, int64_t ldz, int group, const Work& at, const Finish& finish) {
        const int64_t K = IS_FORTH ? K_ : N_, N = IS_FORTH ? N_ : K_;
        Operand& operand = IS_FORTH ? a_ : delta_;
        operand.each_rows(a, at.own.words.data(), group, at.r0, at.r1, [&](const Pair* from, int64_t ld, int64_t r, int64_t rows) {
            const int64_t before = r - at.r0;
            const auto then = [&](int64_t i0, int64_t i1, int64_t n) { finish(before + i0, before + i1, n); };
            if (has_tiles_)
                forward_tiles(from, ld, pairs.data(), b, z + before * ldz, ldz, rows, K, N, then);
            else
                forward_chains(from, ld, pairs.data(), words(K), b, z + before * ldz, ldz, rows, words(K), N, then);
        });
    }
    // The same to the product before or after, whose operand it becomes, with the activation after this one or before.
    template <class Work>
    void forward_to_next(Rows<float> a, const Array<Pair>& W, const float* b, Activation function, float c, const Work& at) {
        product_of_tiles<true>(a, W, b, at, next_->a_, [&](float* tile, int64_t, int64_t rows, int64_t) {
            Activate<float>{function, c, tile, PANEL<float>, true}(0, rows, 0);
        });
    }
    template <class Work>
    void back_to_before(Rows<float> delta, const Array<Pair>& W, Activation function, float c, const Work& at) {
        constexpr int64_t P = PANEL<float>;
        product_of_tiles<false>(delta, W, nullptr, at, before_->delta_, [&](float* tile, int64_t r, int64_t rows, int64_t k) {
            alignas(CACHE_LINE) float a[BLOCK * P];
            for (int64_t i = 0; i < rows; ++i) a_.numbers(r + i, k, P, a + i * P);
            TimesPrime<float>{function, c, a, tile, P, true}(0, rows, 0);
        });
    }
    // Reads delta for the gradient where no product goes back.
    void read_delta(Rows<float> delta, int group, int64_t r0, int64_t r1) {
        if (!delta_.is_given()) delta_.read(delta.row(r0), delta.ld, group, r0, r1);
    }
    // g (K, PANEL) of rows k0 to k0 + K of W at column n, over `size` samples from s on; added to g if `more`.
    void gradient(float* g, int group, int64_t k0, int64_t K, int64_t n, int64_t s, int64_t size, bool more) {
        const Pair *columns = a_.columns(group, k0, s), *panel = delta_.columns(group, n, s);
        if (has_tiles_)
            gradient_tiles(columns, a_.of_tiles(), panel, g, size, K, N_ - n, more);
        else
            gradient_chains(columns, a_.of_words(), panel, PANEL<float>, g, words(size), K, N_ - n, more);
    }
    // sums (PANEL,) of dL/db plus delta of samples r0 to r1, if it is in words alone. Returns whether it is.
    bool add_delta(int group, int64_t n, int64_t r0, int64_t r1, float* sums) {
        if (delta_.is_given()) delta_.add_samples(group, n, r0, r1, sums);
        return delta_.is_given();
    }
    const Operand& a() const { return a_; }
    const Operand& delta() const { return delta_; }

   private:
    // make(tile, r, rows, n) makes the numbers to multiply of a tile (BLOCK, PANEL) of sums, rows from r and columns from n on, of which `to`
    // is the operand.
    template <bool IS_FORTH, class Work, class Make>
    void product_of_tiles(Rows<float> a, const Array<Pair>& pairs, const float* b, const Work& at, Operand& to, Make&& make) {
        Operand& operand = IS_FORTH ? a_ : delta_;
        operand.each_rows(a, at.own.words.data(), 0, at.r0, at.r1, [&](const Pair* from, int64_t ld, int64_t r, int64_t rows) {
            constexpr int64_t P = PANEL<float>;
            float* planes = at.own.scratch.data();
            const auto then = [&](int64_t i0, int64_t i1, int64_t n) {
                float* tile = planes + n / P % 2 * PLANE + i0 * P;
                make(tile, r + i0, i1 - i0, n);
                to.take(tile, r + i0, i1 - i0, n);
            };
            forward_tiles(from, ld, pairs.data(), b, planes, P, rows, IS_FORTH ? K_ : N_, IS_FORTH ? N_ : K_, then, PLANE);
        });
    }

    const int64_t K_, N_;
    bool has_tiles_ = false;
    Operand a_{Operand::Role::a}, delta_{Operand::Role::delta};
    WordProducts *before_ = nullptr, *next_ = nullptr;  // the products that give a, and delta, tile by tile
};

}  // namespace chainrule::CHAINRULE_ISA
