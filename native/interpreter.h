// Working without the GIL, while signals are handled, on a session that one thread uses at a time.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "threads.h"

namespace chainrule {

// Whether the interpreter is finalizing. Then only the finalizing thread can take the GIL.
inline bool is_ending() {
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

// For a thread that can no longer have the GIL: sleeps until the process ends.
[[noreturn]] inline void sleep_until_the_end() noexcept {
    while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Releases the GIL for its scope. If the interpreter is finalizing, a daemon thread that wants the GIL back sleeps until the
// process ends, as in Python 3.14. Earlier versions unwind the thread by an exception, which must not pass through C++ frames
// that other threads use.
class Unlocked {
   public:
    Unlocked() : ends_it_(is_ending()), state_(PyEval_SaveThread()) {}
    ~Unlocked() { lock(); }
    Unlocked(const Unlocked&) = delete;
    // f(), called with the GIL; `otherwise` if it cannot be taken.
    template <class F>
    bool locked(F&& f, bool otherwise) {
        if (is_lost()) return otherwise;
        lock();
        const bool found = f();
        state_ = PyEval_SaveThread();
        return found;
    }

   private:
    bool is_lost() const { return !ends_it_ && is_ending(); }
    void lock() noexcept {
        if (is_lost()) sleep_until_the_end();
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {  // finalization has begun meanwhile; the exception must not leave this block
            sleep_until_the_end();
        }
    }

    const bool ends_it_;  // whether this thread finalizes the interpreter
    PyThreadState* state_;
};

// f(), called with the GIL by a thread that does not hold it, which may be none of Python's.
template <class F>
void with_gil(F&& f) {
    struct Held {
        PyGILState_STATE state;
        Held() {
            if (is_ending()) throw std::runtime_error("the interpreter is ending");
            try {
                state = PyGILState_Ensure();
            } catch (...) {  // as in Unlocked
                sleep_until_the_end();
            }
        }
        ~Held() { PyGILState_Release(state); }
    };
    const Held held;
    f();
}

// Runs the handlers of pending signals, at most 50 times a second. True if one raised (as Ctrl-C does; the exception is then
// the interpreter's current one), or if the interpreter is finalizing.
class Signals {
   public:
    explicit Signals(Unlocked& unlocked) : unlocked_(unlocked) {}
    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now - last_ < std::chrono::milliseconds(20)) return false;
        last_ = now;
        return unlocked_.locked([] { return PyErr_CheckSignals() != 0; }, true);
    }

   private:
    Unlocked& unlocked_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The lock of a session in one process. A forked child makes its own, because a thread that does not exist in the child may
// hold its parent's.
struct Turn {
    const int process = process_generation();
    const bool was_taken;  // in the parent, when this process was forked
    std::mutex mutex;
    std::atomic<std::thread::id> by{};

    explicit Turn(bool was_taken) : was_taken(was_taken) {}
};

class Turns {
   public:
    Turn& turn() {
        Turn* found = turn_.load();
        if (found->process == process_generation()) return *found;
        Turn* fresh = new Turn(found->was_taken || found->by.load() != std::thread::id{});
        if (turn_.compare_exchange_strong(found, fresh)) return *fresh;  // the parent's is never freed here
        delete fresh;
        return *found;
    }
    Turns() = default;
    ~Turns() {
        const Turn* last = turn_.load();
        if (last->process == process_generation()) delete last;  // otherwise a thread of the parent may hold it
    }
    Turns(const Turns&) = delete;

   private:
    std::atomic<Turn*> turn_{new Turn(false)};
};

// Holds a session's lock for its scope. A thread that waits for it releases the GIL, which the holder may need, and handles
// signals. Throws if a signal handler calls the session that its own thread is using.
class Alone {
   public:
    explicit Alone(Turns& turns, bool trains = false) : turn_(turns.turn()) {
        if (turn_.by.load(std::memory_order_relaxed) == std::this_thread::get_id())
            throw std::runtime_error("this session is at work; a signal's handler cannot use it");
        if (trains && turn_.was_taken)
            throw std::runtime_error("this process was forked while a thread of its parent trained with this session; make a new one");
        if (!turn_.mutex.try_lock()) wait();
        turn_.by.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    ~Alone() {
        turn_.by.store({}, std::memory_order_relaxed);
        turn_.mutex.unlock();
    }
    Alone(const Alone&) = delete;

   private:
    void wait() {
        bool is_mine = false, is_stopped = false;
        {
            Unlocked unlocked;
            Signals signals(unlocked);
            std::chrono::microseconds pause(20);
            while (true) {
                is_mine = turn_.mutex.try_lock();
                is_stopped = !is_mine && (signals() || is_ending());
                if (is_mine || is_stopped) break;
                std::this_thread::sleep_for(pause);
                pause = std::min(2 * pause, std::chrono::microseconds(1000));
            }
        }
        if (is_mine) return;
        if (PyErr_Occurred()) throw nanobind::python_error();
        throw std::runtime_error("the interpreter ends, and another thread is at work on this session");
    }

    Turn& turn_;
};

}  // namespace chainrule
