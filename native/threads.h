// A team of threads that stays, and a barrier within it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace chainrule {

constexpr int SPINS = 4000;  // some 50 to 100 microseconds

// Leaves the core to its other thread, or to nobody, for some ten cycles.
inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Spins for a moment, then gives way: the others of a team may have to share a core.
class Barrier {
   public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        const int phase = phase_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == count_ - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
            if (spins > SPINS)
                std::this_thread::yield();
            else
                relax();
        }
    }

   private:
    const int count_;
    std::atomic<int> arrived_{0}, phase_{0};
};

// Numbers of pieces of work that are left to a member of a team. It takes the first; another, who has none left, the last.
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

// The next piece for a member: of its own share, or else of another's. -1: nobody has one left.
inline int64_t take(std::vector<Share>& shares, int member, int count) {
    int64_t piece = shares[member].take(false);
    for (int other = 1; piece < 0 && other < count; ++other) piece = shares[(member + other) % count].take(true);
    return piece;
}

// What the members of a team share while they work: a barrier, and the pieces of work that are dealt to each.
struct Common {
    explicit Common(int count) : barrier(count), tasks(count), parts(count) {}

    Barrier barrier;
    std::vector<Share> tasks, parts;
};

// Calls body(member, count) once on each of `count` threads, the caller's among them, and returns when all are done.
// A team serves one caller at a time; another caller meanwhile works alone, with the same result. After fork the
// child's first call makes a team of its own.
void with_team(int count, const std::function<void(int, int)>& body);

}  // namespace chainrule

#if defined(_WIN32)
#define CHAINRULE_PUBLIC extern "C" __declspec(dllexport)
#else
#define CHAINRULE_PUBLIC extern "C" __attribute__((visibility("default")))
#endif

// The bound that threadpoolctl has set, 0 for none: it finds these two by their names.
CHAINRULE_PUBLIC int chainrule_get_num_threads();
CHAINRULE_PUBLIC void chainrule_set_num_threads(int count);
