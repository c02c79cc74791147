// Fault injection for the tests: something goes wrong when a thread comes to a named place for the n-th time.
#pragma once

#include <atomic>
#include <cstdint>

#include "enumerations.h"

namespace chainrule {

// The fault happens `times` times, from the `first`-th pass (from 0) of the place on.
void plan_fault(Place place, Fault fault, int64_t first, int64_t times);
// How often threads have passed the place.
int64_t passes_of_fault();

// For `passes` alone.
extern std::atomic<int> place_of_fault;
bool fault_here();

// Called at each place. Throws or sleeps if the plan says so; true if an event is planned.
inline bool passes(Place place) {
    return place_of_fault.load(std::memory_order_relaxed) == static_cast<int>(place) && fault_here();
}

}  // namespace chainrule
