// How many threads to work with, found by trying.
#pragma once

#include <algorithm>
#include <cstdint>

namespace chainrule {

// One, twice as many, ... or the most that may be worth it: now and then, and when work has become slower, some of it is done by
// another number, which stays if it is faster. Nobody can know beforehand: cores are busy with other work, or far
// from each other, and both change within seconds. The numbers that come out depend on none of it.
class TeamSize {
   public:
    TeamSize(int most, int first) : most_(most), count_(first) {}

    // Threads for the next piece of work.
    int count() const { return trial_ > 0 ? trial_ : count_; }
    // Its steps.
    int64_t steps() const {
        return seconds_ > 0 ? static_cast<int64_t>(std::clamp(PIECE / seconds_, 1.0, 1e6)) : 1;
    }
    // What a step of it took. The best of some pieces counts: one may have had to wait for something else.
    void took(double seconds) {
        best_ = pieces_ == 0 ? seconds : std::min(best_, seconds);
        if (++pieces_ < TOGETHER) return;
        pieces_ = 0;
        if (trial_ > 0) {
            const bool is_faster = best_ < GAIN * seconds_;
            if (is_faster) count_ = trial_, seconds_ = best_;
            wait_ = is_faster ? SOON : std::min(2 * wait_, LATE);
            trial_ = waited_ = 0;
            return;
        }
        const bool is_slower = seconds_ > 0 && best_ > SLOWER * seconds_;
        seconds_ = best_;
        if (most_ > 1 && (++waited_ >= wait_ || is_slower)) trial_ = another();
    }

   private:
    static constexpr double PIECE = 1e-3, GAIN = 0.95, SLOWER = 1.25;
    static constexpr int TOGETHER = 3;          // pieces
    static constexpr int SOON = 4, LATE = 100;  // times so many, between trials

    // Half as many and twice as many in turn, where there are such.
    int another() {
        const int fewer = std::max(1, count_ / 2), more = std::min(most_, 2 * count_);
        tries_more_ = fewer == count_ || (!tries_more_ && more != count_);
        return tries_more_ ? more : fewer;
    }

    int most_, count_, trial_ = 0, pieces_ = 0, waited_ = 0, wait_ = SOON;
    bool tries_more_ = true;
    double best_ = 0, seconds_ = 0;  // of a step: of these pieces, and of those before with count_ threads
};

}  // namespace chainrule
