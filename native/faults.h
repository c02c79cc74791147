// Faults on purpose, for the tests: what goes wrong when a thread comes to a named place for the n-th time.
#pragma once

#include <atomic>
#include <cstdint>

#include "enumerations.h"

namespace chainrule {

// From the `first`-th time (from 0) on that a thread comes there, `times` times.
void plan_fault(Place place, Fault fault, int64_t first, int64_t times);
// How often threads came to the place of the plan.
int64_t passes_of_fault();

// Not to be called: see `passes`.
extern std::atomic<int> place_of_fault;
bool fault_here();

// Called by a thread that comes to a place. True where its event is said to have happened.
inline bool passes(Place place) {
    return place_of_fault.load(std::memory_order_relaxed) == static_cast<int>(place) && fault_here();
}

}  // namespace chainrule
