// Compiled once, for any processor: what stands in a header is compiled for each instruction set, and the linker takes one.
#include "team_size.h"

namespace chainrule {

namespace {

template <size_t N>
double median(std::array<double, N> values) {
    std::nth_element(values.begin(), values.begin() + N / 2, values.end());
    return values[N / 2];
}

}  // namespace

void TeamSize::took(double seconds) {
    if (trial_ > 0 && seconds_ > LONG && seconds > MUCH_SLOWER * seconds_) return end_trial(false, seconds);
    times_[pieces_] = seconds;
    if (++pieces_ < TOGETHER) return;
    const double now = median(times_);
    if (trial_ > 0) return end_trial(now < (trial_ > count_ ? MORE : FEWER) * seconds_, now);
    pieces_ = 0;
    if (seconds_ == 0) begin(now), wait_ = now > LONG ? 2 * SOON : SOON;
    last_[++medians_ % LAST] = now;
    seconds_ = median(last_);
    least_ = std::min(least_, seconds_);
    if (most_ > 1 && (++waited_ >= wait_ || seconds_ > SLOWER * least_)) trial_ = another(), least_ = seconds_;
}

void TeamSize::end_trial(bool is_better, double seconds) {
    if (is_better) count_ = trial_, begin(seconds);
    wait_ = is_better ? SOON : std::min(2 * wait_, LATE);
    trial_ = waited_ = pieces_ = 0;
}

void TeamSize::begin(double seconds) {
    last_.fill(seconds);
    seconds_ = least_ = seconds;
}

int TeamSize::another() {
    const int fewer = std::max(1, count_ / 2), more = std::min(most_, 2 * count_);
    tries_more_ = fewer == count_ || (!tries_more_ && more != count_);
    return tries_more_ ? more : fewer;
}

}  // namespace chainrule
