// The number of threads, chosen by timing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace chainrule {

// Uses 1, 2, 4, ... or `most` threads. Now and then, and when steps have become slower, it times half or twice as many, and
// keeps that number if steps are faster. The best number is not known beforehand: other programs use the cores, and that
// changes within seconds. No result depends on it.
class TeamSize {
   public:
    TeamSize(int most, int first) : most_(most), count_(first) {}

    // Threads for the next piece of work.
    int count() const { return trial_ > 0 ? trial_ : count_; }
    // Steps of that piece: about PIECE seconds.
    int64_t steps() const {
        return seconds_ > 0 ? static_cast<int64_t>(std::clamp(PIECE / seconds_, 1.0, 1e6)) : 1;
    }
    // Takes the seconds per step of that piece. The median of TOGETHER pieces counts, because single ones vary: other programs
    // interrupt them, and barriers are sometimes fast and sometimes slow.
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
    static constexpr double MORE = 0.9, FEWER = 0.98;  // of the time: more threads, or fewer, are kept below this
    static constexpr int TOGETHER = 5;                 // pieces
    static constexpr int SOON = 4, LATE = 100;         // medians between two trials, at least and at most

    // Half and twice as many threads in turn, from 1 to most.
    int another() {
        const int fewer = std::max(1, count_ / 2), more = std::min(most_, 2 * count_);
        tries_more_ = fewer == count_ || (!tries_more_ && more != count_);
        return tries_more_ ? more : fewer;
    }

    int most_, count_, trial_ = 0, pieces_ = 0, waited_ = 0, wait_ = SOON;
    bool tries_more_ = true;
    std::array<double, TOGETHER> times_{};  // seconds per step of these pieces
    double seconds_ = 0;                    // seconds per step with count_ threads
};

}  // namespace chainrule
