#include "threads.h"

#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace {

int process_number() {
#if defined(_WIN32)
    return _getpid();
#else
    return static_cast<int>(getpid());
#endif
}

// Denormal numbers (below 1e-38) cost a hundred cycles each: moments of weights that see no gradient decay into them.
// While a team works they are taken as zero, on every member and so for every number of threads.
class FlushToZero {
   public:
#if defined(__x86_64__)
    FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushToZero() { _mm_setcsr(before_); }

   private:
    const unsigned before_;
#elif defined(__aarch64__)
    FlushToZero() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | (1ull << 24)));
    }
    ~FlushToZero() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

   private:
    unsigned long long before_;
#endif
};

// Looks for a while whether something has come true, before it is worth to sleep: waking up takes longer than small work.
template <class Condition>
bool spin(const Condition& is_true) {
    for (int i = 0; i < SPINS; ++i) {
        if (is_true()) return true;
        relax();
    }
    return is_true();
}

class Team {
   public:
    explicit Team(int helpers) : process_(process_number()) {
        for (int i = 1; i <= helpers; ++i) threads_.emplace_back([this, i] { serve(i); });
    }
    ~Team() {
        {
            std::lock_guard lock(mutex_);
            is_over_.store(true);
        }
        start_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    int helpers() const { return static_cast<int>(threads_.size()); }
    bool is_mine() const { return process_ == process_number(); }

    void run(int count, const std::function<void(int, int)>& body) {
        body_ = &body;
        working_.store(count - 1, std::memory_order_relaxed);
        {
            std::lock_guard lock(mutex_);
            const uint64_t number = job_.load(std::memory_order_relaxed) / MOST + 1;
            job_.store(number * MOST + static_cast<uint64_t>(count), std::memory_order_release);
        }
        start_.notify_all();
        body(0, count);
        const auto is_done = [this] { return working_.load(std::memory_order_acquire) == 0; };
        if (spin(is_done)) return;
        std::unique_lock lock(mutex_);
        done_.wait(lock, is_done);
    }

   private:
    static constexpr uint64_t MOST = uint64_t{1} << 16;  // members of a team

    void serve(int member) {
        uint64_t seen = 0;
        for (;;) {
            const auto is_called = [&] { return job_.load(std::memory_order_acquire) != seen || is_over_.load(); };
            if (!spin(is_called)) {
                std::unique_lock lock(mutex_);
                start_.wait(lock, is_called);
            }
            if (is_over_.load()) return;
            seen = job_.load(std::memory_order_acquire);
            const int count = static_cast<int>(seen % MOST);
            if (member >= count) continue;  // nobody waits for this one, and the next job may be there already
            {
                const FlushToZero flush;
                (*body_)(member, count);
            }
            if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex_);  // the caller is asleep by now, or has not looked yet
                done_.notify_one();
            }
        }
    }

    const int process_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const std::function<void(int, int)>* body_ = nullptr;
    std::atomic<uint64_t> job_{0};  // its number, and how many members it has
    std::atomic<int> working_{0};
    std::atomic<bool> is_over_{false};
};

std::mutex& busy() {
    static std::mutex* mutex = new std::mutex;  // never destroyed: threads may outlive the module
    return *mutex;
}
Team* team = nullptr;
std::atomic<int> limit{0};

}  // namespace

void with_team(int count, const std::function<void(int, int)>& body) {
    const FlushToZero flush;
    if (count > 1 && busy().try_lock()) {
        std::lock_guard lock(busy(), std::adopt_lock);
        if (team != nullptr && !team->is_mine()) team = nullptr;  // a forked child: its threads are not here
        if (team == nullptr || team->helpers() < count - 1) {
            delete team;
            team = new Team(count - 1);
        }
        team->run(count, body);
        return;
    }
    body(0, 1);
}

}  // namespace chainrule

int chainrule_get_num_threads() { return chainrule::limit.load(); }
void chainrule_set_num_threads(int count) { chainrule::limit.store(count > 0 ? count : 0); }
