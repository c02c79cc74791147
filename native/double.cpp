// The engine in double. Compiled once for each instruction set.
#include "derivatives.h"
#include "engine_of.h"

namespace chainrule::CHAINRULE_ISA {

template Session* make<double>(const Program&, const Run&, int64_t, bool, Products);
template void derive<double>(const std::vector<ChainLayer>&, const Derivatives&, int);
template std::array<double, 3> check<double>(int64_t, int64_t, int64_t, int64_t, uint64_t, Products);

}  // namespace chainrule::CHAINRULE_ISA
