// How a thread works without the interpreter's lock, sees to its signals, and takes its turn on a session.
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

// Whether the interpreter ends: its lock is then kept from all threads but the one that ends it.
inline bool is_ending() {
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing() != 0;
#else
    return _Py_IsFinalizing() != 0;
#endif
}

// While it lives this thread works without the interpreter's lock. A daemon thread that wants it back from an interpreter that ends
// sleeps until the process is gone, as Python 3.14 has it; before, Python ends such a thread by an exception, and that must not
// pass through C++ that others are at work with.
class Unlocked {
   public:
    Unlocked() : ends_it_(is_ending()), state_(PyEval_SaveThread()) {}
    ~Unlocked() { lock(); }
    Unlocked(const Unlocked&) = delete;
    // f(), with the lock; `otherwise` where there is none to be had.
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
        if (is_lost()) sleep();
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {  // the end has begun meanwhile; the exception must not leave this block
            sleep();
        }
    }
    [[noreturn]] static void sleep() noexcept {
        while (true) std::this_thread::sleep_for(std::chrono::hours(1));
    }

    const bool ends_it_;  // whether this is the thread that ends the interpreter
    PyThreadState* state_;
};

// Lets the interpreter see to its signals, 50 times a second at most. True where a handler raised (Ctrl-C does, and the error is
// then the interpreter's current one), and where the interpreter ends.
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

// Whose turn it is to work on a session, in one process. A forked child has one of its own: in its parent's a thread may be at
// work that is not there.
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
        if (turn_.compare_exchange_strong(found, fresh)) return *fresh;  // the parent's is left as it is
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

// One thread at a time works on a session. Another waits without the interpreter's lock, which the first may need, and sees to
// signals meanwhile; only a signal's handler that comes back to the session its own thread is at work on gets an error.
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
