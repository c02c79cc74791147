// An operand of a layer's products on words (halves.h), a or delta: its rows, and its columns as sums over samples read them.
#pragma once

#include "blocks32.h"

namespace chainrule::CHAINRULE_ISA {

// Rows of activations as words, an odd number of cache lines apart.
constexpr int64_t distance_of_words(int64_t width) {
    return words(width) + (words(width) % (2 * BLOCK_WORDS) == 0 ? BLOCK_WORDS : 0);
}

// Calls use with the order of the words that these products read.
template <class Use>
void with_order(bool has_tiles, Use&& use) {
    if (has_tiles)
        use(std::integral_constant<Order, Order::neighbors>{});
    else
        use(std::integral_constant<Order, Order::crossed>{});
}

// (groups, rows, width) numbers, of which a thread writes some rows from the start of a block on. The product that makes them gives them
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

    void measure(int64_t i, Largest<float>& largest) const {
        float some[BLOCK];
        for (int64_t n = 0; n < width_; n += BLOCK) numbers(i, n, BLOCK, some), largest.add(some, BLOCK);
    }

   private:
    Role role_;
    bool has_tiles_ = false;
    int64_t samples_ = 0, width_ = 0, padded_ = 0;  // samples: rows in whole blocks
    Array<Pair> rows_, columns_;
};

}  // namespace chainrule::CHAINRULE_ISA
