// Parallel work in phases, each of which ends at a barrier (`meet`). Every thread comes to every barrier: an exception in a
// phase is stored, not thrown. The last thread to arrive decides what is next before the others go on, and no decision changes
// before the next barrier. So all threads read the same decision, and none ends while another waits for it.
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

// A barrier that spins, and yields after SPINS rounds, because threads may share a core.
class Barrier {
   public:
    // Must not be called while a thread waits.
    void expect(int count) {
        count_ = count;
        arrived_.store(0, std::memory_order_relaxed), round_.store(0, std::memory_order_relaxed);
    }
    // Returns when all threads have arrived; the last one calls `last` first.
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
    // Must not be called while a thread is in a phase.
    void begin(int count) {
        process_ = process_generation();
        failure_ = nullptr;
        is_lost_.store(false, std::memory_order_relaxed);
        barrier_.expect(count);
    }

    // Runs a part of a phase, unless the phase is lost: its results are then discarded. An exception loses the phase.
    template <class Part>
    void attempt(Part&& part) noexcept {
        if (is_lost()) return;
        try {
            part();
        } catch (...) {
            fail();
        }
    }
    // Loses the phase because the caller wants to stop.
    void stop() noexcept { is_lost_.store(true, std::memory_order_relaxed); }
    // For a thread that has run other code (a signal handler): in a child that it forked, no other threads exist to wait for.
    void look_around() noexcept {
        if (process_ == process_generation()) return;
        barrier_.expect(1);
        stop();
    }
    bool is_lost() const noexcept { return is_lost_.load(std::memory_order_relaxed); }

    // Ends a phase: waits for all threads. One of them calls `decide`, whose writes all threads see.
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

    // The first exception of the phase, or null. No thread writes it between two barriers unless the phase is lost.
    const std::exception_ptr& failure() const { return failure_; }

   private:
    // Within a handler: keeps the exception, if it is the first, and loses the phase.
    [[gnu::cold, gnu::noinline]] void fail() noexcept {
        const std::lock_guard lock(mutex_);
        if (failure_ == nullptr) failure_ = std::current_exception();
        is_lost_.store(true);
    }

    Barrier barrier_;
    std::atomic<bool> is_lost_{false};
    std::exception_ptr failure_;
    std::mutex mutex_;
    int process_ = 0;
};

// A work-stealing queue of consecutive numbers. Its thread takes the first; a thread whose own queue is empty takes the last.
class Share {
   public:
    // Must not be called while a thread takes.
    void deal(int64_t first, int64_t end) { left_.store(packed(first, end), std::memory_order_release); }
    // Returns -1 if the queue is empty.
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

// The next number for a thread: from its own queue, or stolen from another's; -1 if all are empty.
inline int64_t take(std::vector<Share>& shares, int number, int count) {
    int64_t piece = shares[number].take(false);
    for (int other = 1; piece < 0 && other < count; ++other) piece = shares[(number + other) % count].take(true);
    return piece;
}

}  // namespace chainrule::CHAINRULE_ISA
