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
    // a picture, slow all pieces of a median: a trial is compared with the median of the last medians. Of long steps, whose trials cost
    // time, the first one tells if it is much slower, and trials begin later.
    void took(double seconds);

   private:
    static constexpr double PIECE = 1e-3, LONG = 5e-3, SLOWER = 1.25, MUCH_SLOWER = 1.4;
    static constexpr double MORE = 0.9, FEWER = 0.98;  // of the time: more threads, or fewer, are kept below this
    static constexpr int TOGETHER = 5, LAST = 3;       // pieces, and medians of them
    static constexpr int SOON = 4, LATE = 100;         // medians between two trials, at least and at most

    // Ends a trial.
    void end_trial(bool is_better, double seconds);
    // Begins with another number of threads, whose steps take so many seconds.
    void begin(double seconds);
    // Half and twice as many threads in turn, from 1 to most.
    int another();

    int most_, count_, trial_ = 0, pieces_ = 0, waited_ = 0, wait_ = SOON;
    bool tries_more_ = true;
    unsigned medians_ = 0;
    std::array<double, TOGETHER> times_{};  // seconds per step of these pieces
    std::array<double, LAST> last_{};       // seconds per step with count_ threads: the last medians
    double seconds_ = 0, least_ = 0;        // their median, and the least one since the last trial
};

}  // namespace chainrule
