// A team of threads that stays, and a barrier within it.
#pragma once

#include <atomic>
#include <condition_variable>
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
