#include "threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "faults.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace chainrule {
namespace {

std::atomic<int> generation{0};
#if !defined(_WIN32)
[[maybe_unused]] const int counts_forks = pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
#endif

// Flushes denormal numbers (below 1e-38) to zero: each costs a hundred cycles, and moments of weights without gradient decay
// into them. Every thread does so while it works, so that no result depends on their number.
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

// Spins for a while until a condition is true, and returns it: waking a sleeping thread takes longer than small work.
template <class Condition>
bool spin(const Condition& is_true) {
    for (int i = 0; i < SPINS; ++i) {
        if (is_true()) return true;
        relax();
    }
    return is_true();
}

}  // namespace

// The threads of one process, beside the caller's. They and this object last as long as the process.
struct Pool {
    const int process = process_generation();
    std::mutex busy;  // held by the caller that has the threads

    // Creates threads until there are `wanted`, and returns how many there are. After a refusal it does not try for a second.
    int grow(int wanted) {
        if (static_cast<int>(helpers_.size()) >= wanted) return wanted;
        const auto now = std::chrono::steady_clock::now();
        if (now < retry_) return static_cast<int>(helpers_.size());
        try {
            helpers_.reserve(wanted);
            while (static_cast<int>(helpers_.size()) < wanted) {
                auto helper = std::make_unique<Helper>(static_cast<int>(helpers_.size()) + 1, job_.load());
                passes(Place::thread);
                std::thread([this, &own = *helper] { serve(own); }).detach();
                helpers_.push_back(std::move(helper));  // reserved above, so it cannot throw
            }
        } catch (...) {
            retry_ = now + std::chrono::seconds(1);
        }
        return static_cast<int>(helpers_.size());
    }

    void run(int count, const Work& work) {
        work_ = &work;
        working_.store(count - 1, std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            const uint64_t number = job_.load(std::memory_order_relaxed) / MOST + 1;
            job_.store(number * MOST + static_cast<uint64_t>(count), std::memory_order_release);
        }
        for (int i = 1; i < count; ++i) helpers_[i - 1]->wake.notify_one();
        work(0);
        if (process != process_generation()) return;  // a child that the work has forked: it has no other threads
        const auto is_done = [this] { return working_.load(std::memory_order_acquire) == 0; };
        if (spin(is_done)) return;
        std::unique_lock lock(mutex_);
        done_.wait(lock, is_done);
    }

   private:
    static constexpr uint64_t MOST = uint64_t{1} << 16;  // threads

    struct Helper {
        Helper(int number, uint64_t seen) : number(number), seen(seen) {}
        const int number;
        uint64_t seen;  // the last job that it has done, or that was there before it
        std::condition_variable wake;
    };

    // run() waits for all threads of a job. So a job of this thread is the newest until the thread has done it.
    void serve(Helper& own) noexcept {
        for (;;) {
            const auto is_called = [&] {
                const uint64_t job = job_.load(std::memory_order_acquire);
                return job != own.seen && own.number < static_cast<int>(job % MOST);
            };
            if (!spin(is_called)) {
                std::unique_lock lock(mutex_);
                own.wake.wait(lock, is_called);
            }
            own.seen = job_.load(std::memory_order_acquire);
            {
                const FlushToZero flush;
                (*work_)(own.number);
            }
            if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex_);  // the caller waits already, or has yet to check
                done_.notify_one();
            }
        }
    }

    std::vector<std::unique_ptr<Helper>> helpers_;
    std::chrono::steady_clock::time_point retry_{};  // when to ask the system for threads again
    std::mutex mutex_;
    std::condition_variable done_;
    const Work* work_ = nullptr;
    std::atomic<uint64_t> job_{0};  // its number times MOST, plus its threads
    std::atomic<int> working_{0};
};

namespace {

std::atomic<Pool*> current{nullptr};
std::atomic<int> limit{0};

// This process's pool, or null if memory is short. A forked child leaves its parent's untouched: the threads do not exist in
// the child, and may hold its locks.
Pool* pool_of_this_process() {
    Pool* found = current.load();
    if (found != nullptr && found->process == process_generation()) return found;
    Pool* fresh = new (std::nothrow) Pool;
    if (fresh == nullptr || current.compare_exchange_strong(found, fresh)) return fresh;
    delete fresh;  // another thread was faster
    return found;
}

}  // namespace

int process_generation() { return generation.load(std::memory_order_relaxed); }

Workers::Workers(int wanted) {
    if (wanted <= 1) return;
    Pool* pool = pool_of_this_process();
    if (pool == nullptr || !pool->busy.try_lock()) return;
    pool_ = pool, count_ = 1 + pool->grow(wanted - 1);
}

Workers::~Workers() {
    if (pool_ != nullptr) pool_->busy.unlock();
}

void Workers::run(const Work& work) {
    const FlushToZero flush;
    if (count_ > 1)
        pool_->run(count_, work);
    else
        work(0);
}

}  // namespace chainrule

int chainrule_get_num_threads() { return chainrule::limit.load(); }
void chainrule_set_num_threads(int count) { chainrule::limit.store(count > 0 ? count : 0); }
