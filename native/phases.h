// How some threads go through a piece of work together: in phases, each of which ends in a meeting of all.
//
// Every thread comes to every meeting, whatever happened to it before: what goes wrong in a phase is kept and not thrown. At a
// meeting the last thread to come decides what is next, before any goes on, and nobody changes that before all have come to the
// next meeting. So all read the same decision, and none leaves while another stays.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "faults.h"
#include "simd.h"
#include "threads.h"

namespace chainrule::CHAINRULE_ISA {

// Who waits spins for a moment, then gives way: threads may have to share a core.
class Barrier {
   public:
    // Not while anybody waits.
    void expect(int count) {
        count_ = count;
        arrived_.store(0, std::memory_order_relaxed), round_.store(0, std::memory_order_relaxed);
    }
    // Returns when all have come; the last to come calls `last` before that.
    template <class Last>
    void wait(Last&& last) {
        if (count_ == 1) return last();
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == count_ - 1) {
            last();
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
            if (spins > SPINS)
                std::this_thread::yield();
            else
                relax();
        }
    }

   private:
    int count_ = 1;
    std::atomic<int> arrived_{0}, round_{0};
};

class Phases {
   public:
    // Not while any thread is in a phase.
    void begin(int count) {
        process_ = process_generation();
        failure_ = nullptr;
        is_lost_.store(false, std::memory_order_relaxed);
        barrier_.expect(count);
    }

    // Does a part of a phase, unless the phase is lost: then all that comes of it will be thrown away. An exception loses it.
    template <class Part>
    void attempt(Part&& part) noexcept {
        if (is_lost()) return;
        try {
            part();
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (failure_ == nullptr) failure_ = std::current_exception();
            is_lost_.store(true);
        }
    }
    // Loses the phase because the caller wants to stop.
    void stop() noexcept { is_lost_.store(true, std::memory_order_relaxed); }
    // For a thread that has let other code run: in a child that this forked, the other threads are not there to be met.
    void look_around() noexcept {
        if (process_ == process_generation()) return;
        barrier_.expect(1);
        stop();
    }
    bool is_lost() const noexcept { return is_lost_.load(std::memory_order_relaxed); }

    // Ends a phase. `decide` is called once, when all have come, and what it writes is read by all from then on.
    template <class Decide>
    void meet(Decide&& decide) noexcept {
        barrier_.wait([&]() noexcept {
            passes(Place::decision);
            decide();
        });
    }
    void meet() noexcept {
        meet([] {});
    }

    // Between two meetings nobody writes it unless the phase is lost; after the work, to be thrown to the caller.
    const std::exception_ptr& failure() const { return failure_; }

   private:
    Barrier barrier_;
    std::atomic<bool> is_lost_{false};
    std::exception_ptr failure_;
    std::mutex mutex_;
    int process_ = 0;
};

// Numbers of pieces of work that are left to a thread. It takes the first; another, which has none left, the last.
class Share {
   public:
    // Not while anybody takes.
    void deal(int64_t first, int64_t end) { left_.store(packed(first, end), std::memory_order_release); }
    // -1: nothing is left.
    int64_t take(bool last) {
        uint64_t left = left_.load(std::memory_order_acquire);
        while (true) {
            const int64_t first = static_cast<int64_t>(left >> 32), end = static_cast<int64_t>(left & 0xffffffffu);
            if (first >= end) return -1;
            if (left_.compare_exchange_weak(left, last ? packed(first, end - 1) : packed(first + 1, end),
                                            std::memory_order_acq_rel, std::memory_order_acquire))
                return last ? end - 1 : first;
        }
    }

   private:
    static uint64_t packed(int64_t first, int64_t end) {
        return static_cast<uint64_t>(first) << 32 | static_cast<uint64_t>(end);
    }
    alignas(64) std::atomic<uint64_t> left_{0};
};

// The next piece for a thread: of its own share, or else of another's. -1: nobody has one left.
inline int64_t take(std::vector<Share>& shares, int number, int count) {
    int64_t piece = shares[number].take(false);
    for (int other = 1; piece < 0 && other < count; ++other) piece = shares[(number + other) % count].take(true);
    return piece;
}

}  // namespace chainrule::CHAINRULE_ISA
