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

// Denormal numbers (below 1e-38) cost a hundred cycles each: moments of weights that see no gradient decay into them.
// While a team works they are taken as zero, on every thread and so for every number of threads.
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

}  // namespace

// The threads of one process, beside the caller's. They and this object last as long as the process.
struct Pool {
    const int process = process_generation();
    std::mutex busy;  // held by the caller that has the threads

    // Makes threads until there are so many or the system refuses; how many there are. A refusal counts for a second.
    int grow(int wanted) {
        if (static_cast<int>(helpers_.size()) >= wanted) return wanted;
        const auto now = std::chrono::steady_clock::now();
        if (now < again_) return static_cast<int>(helpers_.size());
        try {
            helpers_.reserve(wanted);
            while (static_cast<int>(helpers_.size()) < wanted) {
                auto helper = std::make_unique<Helper>(static_cast<int>(helpers_.size()) + 1, job_.load());
                passes(Place::thread);
                std::thread([this, &own = *helper] { serve(own); }).detach();
                helpers_.push_back(std::move(helper));  // within what is reserved: a thread that runs has its place
            }
        } catch (...) {
            again_ = now + std::chrono::seconds(1);
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
        if (process != process_generation()) return;  // forked by the work itself: nobody else is here
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

    // A job that is for this thread waits for it, so it is the newest until the thread has done it.
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
                const std::lock_guard lock(mutex_);  // the caller is asleep by now, or has not looked yet
                done_.notify_one();
            }
        }
    }

    std::vector<std::unique_ptr<Helper>> helpers_;
    std::chrono::steady_clock::time_point again_{};  // when to ask the system for threads again
    std::mutex mutex_;
    std::condition_variable done_;
    const Work* work_ = nullptr;
    std::atomic<uint64_t> job_{0};  // its number, and how many threads it has
    std::atomic<int> working_{0};
};

namespace {

std::atomic<Pool*> current{nullptr};
std::atomic<int> limit{0};

// This process's pool, or null where there is no memory for one. A forked child leaves its parent's as it is: its threads are not
// here, and its locks may be held by one of them.
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
