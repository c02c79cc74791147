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

class Team {
   public:
    explicit Team(int helpers) : process_(process_number()) {
        for (int i = 1; i <= helpers; ++i) threads_.emplace_back([this, i] { serve(i); });
    }
    ~Team() {
        {
            std::lock_guard lock(mutex_);
            is_over_ = true;
        }
        start_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    int helpers() const { return static_cast<int>(threads_.size()); }
    bool is_mine() const { return process_ == process_number(); }

    void run(int count, const std::function<void(int, int)>& body) {
        {
            std::lock_guard lock(mutex_);
            body_ = &body, count_ = count, working_ = count - 1, ++job_;
        }
        start_.notify_all();
        body(0, count);
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return working_ == 0; });
    }

   private:
    void serve(int member) {
        long seen = 0;
        std::unique_lock lock(mutex_);
        for (;;) {
            start_.wait(lock, [&] { return is_over_ || job_ != seen; });
            if (is_over_) return;
            seen = job_;
            if (member >= count_) continue;
            const auto* body = body_;
            const int count = count_;
            lock.unlock();
            {
                const FlushToZero flush;
                (*body)(member, count);
            }
            lock.lock();
            if (--working_ == 0) done_.notify_one();
        }
    }

    const int process_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const std::function<void(int, int)>* body_ = nullptr;
    int count_ = 0, working_ = 0;
    long job_ = 0;
    bool is_over_ = false;
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
