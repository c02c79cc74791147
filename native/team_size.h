// How many threads to work with, found by trying.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace chainrule {

// One, twice as many, ... or the most that may be worth it: now and then, and when work has become slower, some of it is done
// by another number, which stays if it is faster. Nobody can know beforehand: cores are busy with other work, or far from
// each other, and both change within seconds. The numbers that come out depend on none of it.
class TeamSize {
   public:
    TeamSize(int most, int first) : most_(most), count_(first) {}

    // Threads for the next piece of work.
    int count() const { return trial_ > 0 ? trial_ : count_; }
    // Its steps.
    int64_t steps() const {
        return seconds_ > 0 ? static_cast<int64_t>(std::clamp(PIECE / seconds_, 1.0, 1e6)) : 1;
    }
    // What a step of it took. The median of some pieces counts: one may have had to wait for something else, and threads that
    // wait for each other are fast now and slow then.
    void took(double seconds) {
        times_[pieces_] = seconds;
        if (++pieces_ < TOGETHER) return;
        pieces_ = 0;
        std::nth_element(times_.begin(), times_.begin() + TOGETHER / 2, times_.end());
        const double median = times_[TOGETHER / 2];
        if (trial_ > 0) {
            const bool is_better = median < (trial_ > count_ ? MORE : FEWER) * seconds_;
            if (is_better) count_ = trial_, seconds_ = median;
            wait_ = is_better ? SOON : std::min(2 * wait_, LATE);
            trial_ = waited_ = 0;
            return;
        }
        const bool is_slower = seconds_ > 0 && median > SLOWER * seconds_;
        seconds_ = median;
        if (most_ > 1 && (++waited_ >= wait_ || is_slower)) trial_ = another();
    }

   private:
    static constexpr double PIECE = 1e-3, SLOWER = 1.25;
    static constexpr double MORE = 0.9, FEWER = 0.98;  // of the time, for more threads to be worth it, and for fewer
    static constexpr int TOGETHER = 5;                 // pieces
    static constexpr int SOON = 4, LATE = 100;         // times so many, between trials

    // Half as many and twice as many in turn, where there are such.
    int another() {
        const int fewer = std::max(1, count_ / 2), more = std::min(most_, 2 * count_);
        tries_more_ = fewer == count_ || (!tries_more_ && more != count_);
        return tries_more_ ? more : fewer;
    }

    int most_, count_, trial_ = 0, pieces_ = 0, waited_ = 0, wait_ = SOON;
    bool tries_more_ = true;
    std::array<double, TOGETHER> times_{};  // of a step of each of these pieces
    double seconds_ = 0;                    // of a step of those before, with count_ threads
};

}  // namespace chainrule
