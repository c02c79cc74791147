// A thread pool that serves one caller at a time.
#pragma once

#include <cstdint>

namespace chainrule {

constexpr int SPINS = 4000;  // some 50 to 100 microseconds of waiting

// Pauses for some 10 to 40 ns, in which the core's other hardware thread runs. On Arm by ISB, which empties the pipeline: YIELD
// takes no time on most of its cores.
inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

// A number of this process; a forked child has another one.
int process_generation();

// A reference to a function of the thread's number, which must not throw.
class Work {
   public:
    template <class F>
    Work(const F& f) : of_(&f), call_([](const void* of, int number) noexcept { (*static_cast<const F*>(of))(number); }) {}
    void operator()(int number) const noexcept { call_(of_, number); }

   private:
    const void* of_;
    void (*call_)(const void*, int) noexcept;
};

// Holds threads of the process for its scope, the caller's among them: as many as wanted, fewer if the system creates no more,
// and the caller's alone while another Workers holds them. It throws nothing, and allocates only to create threads. A forked
// child creates its own.
class Workers {
   public:
    explicit Workers(int wanted);
    ~Workers();
    Workers(const Workers&) = delete;
    int count() const { return count_; }
    // Calls work(0), on the caller's thread, to work(count() - 1), each on its own, and returns when all are done.
    void run(const Work& work);

   private:
    struct Pool* pool_ = nullptr;  // null: the caller works alone
    int count_ = 1;
};

}  // namespace chainrule

#if defined(_WIN32)
#define CHAINRULE_PUBLIC extern "C" __declspec(dllexport)
#else
#define CHAINRULE_PUBLIC extern "C" __attribute__((visibility("default")))
#endif

// The limit on threads that threadpoolctl has set, 0 for none. It finds these two by their names.
CHAINRULE_PUBLIC int chainrule_get_num_threads();
CHAINRULE_PUBLIC void chainrule_set_num_threads(int count);
