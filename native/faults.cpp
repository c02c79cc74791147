#include "faults.h"

#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>

namespace chainrule {
namespace {

std::atomic<int64_t> begin{0}, end{0}, passed{0};
std::atomic<Fault> kind{Fault::delay};

}  // namespace

std::atomic<int> place_of_fault{static_cast<int>(Place::none)};

void plan_fault(Place place, Fault fault, int64_t first, int64_t times) {
    place_of_fault.store(static_cast<int>(Place::none));
    begin.store(first), end.store(first + times), passed.store(0), kind.store(fault);
    place_of_fault.store(static_cast<int>(place));
}

int64_t passes_of_fault() { return passed.load(); }

bool fault_here() {
    const int64_t number = passed.fetch_add(1);
    if (number < begin.load() || number >= end.load()) return false;
    switch (kind.load()) {
        case Fault::memory: throw std::bad_alloc();
        case Fault::error: throw std::runtime_error("a fault that a test has planned");
        case Fault::delay: std::this_thread::sleep_for(std::chrono::milliseconds(2)); return false;
        case Fault::event: return true;
    }
    return false;
}

}  // namespace chainrule
