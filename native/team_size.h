// The number of threads, chosen by timing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace chainrule {

// Uses 1, 2, 4, ... or `most` threads. Now and then, and when steps stay slower than they were, it times half or twice as many,
// and keeps that number if steps are faster. The best number is not known beforehand: other programs use the cores, and that
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
    // interrupt them, and barriers are sometimes fast and sometimes slow. Programs that work for some milliseconds, as to paint
    // a picture, slow all pieces of a median: a trial is compared with the median of the last medians.
    void took(double seconds) {
        times_[pieces_] = seconds;
        if (++pieces_ < TOGETHER) return;
        pieces_ = 0;
        const double now = median(times_);
        if (trial_ > 0) {
            const bool is_better = now < (trial_ > count_ ? MORE : FEWER) * seconds_;
            if (is_better) count_ = trial_, begin(now);
            wait_ = is_better ? SOON : std::min(2 * wait_, LATE);
            trial_ = waited_ = 0;
            return;
        }
        if (seconds_ == 0) begin(now);
        last_[++medians_ % LAST] = now;
        seconds_ = median(last_);
        least_ = std::min(least_, seconds_);
        if (most_ > 1 && (++waited_ >= wait_ || seconds_ > SLOWER * least_)) trial_ = another(), least_ = seconds_;
    }

   private:
    static constexpr double PIECE = 1e-3, SLOWER = 1.25;
    static constexpr double MORE = 0.9, FEWER = 0.98;  // of the time: more threads, or fewer, are kept below this
    static constexpr int TOGETHER = 5, LAST = 3;       // pieces, and medians of them
    static constexpr int SOON = 4, LATE = 100;         // medians between two trials, at least and at most

    template <size_t N>
    static double median(std::array<double, N> values) {
        std::nth_element(values.begin(), values.begin() + N / 2, values.end());
        return values[N / 2];
    }

    // Begins with another number of threads, whose steps take so many seconds.
    void begin(double seconds) {
        last_.fill(seconds);
        seconds_ = least_ = seconds;
    }

    // Half and twice as many threads in turn, from 1 to most.
    int another() {
        const int fewer = std::max(1, count_ / 2), more = std::min(most_, 2 * count_);
        tries_more_ = fewer == count_ || (!tries_more_ && more != count_);
        return tries_more_ ? more : fewer;
    }

    int most_, count_, trial_ = 0, pieces_ = 0, waited_ = 0, wait_ = SOON;
    bool tries_more_ = true;
    unsigned medians_ = 0;
    std::array<double, TOGETHER> times_{};  // seconds per step of these pieces
    std::array<double, LAST> last_{};       // seconds per step with count_ threads: the last medians
    double seconds_ = 0, least_ = 0;        // their median, and the least one since the last trial
};

}  // namespace chainrule
