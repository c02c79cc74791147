// Threads that stay, and are lent to one caller at a time.
#pragma once

#include <cstdint>

namespace chainrule {

constexpr int SPINS = 4000;  // some 50 to 100 microseconds

// Leaves the core to its other thread, or to nobody, for some ten cycles.
inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// A number of this process: another one in a child that was forked from it.
int process_generation();

// Work for threads: called with the number of the thread. It must not throw.
class Work {
   public:
    template <class F>
    Work(const F& f) : of_(&f), call_([](const void* of, int number) noexcept { (*static_cast<const F*>(of))(number); }) {}
    void operator()(int number) const noexcept { call_(of_, number); }

   private:
    const void* of_;
    void (*call_)(const void*, int) noexcept;
};

// The threads of the process, the caller's among them, for as long as this object lives: as many as are wanted, fewer where the
// system makes no more, and the caller's alone while another has them. Neither making nor using it throws or allocates, but for
// the threads that are made when they are first wanted. A forked child makes its own.
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

// The bound that threadpoolctl has set, 0 for none: it finds these two by their names.
CHAINRULE_PUBLIC int chainrule_get_num_threads();
CHAINRULE_PUBLIC void chainrule_set_num_threads(int count);
