// The engine in float, and what needs no numbers. Compiled once for each instruction set.
#include "derivatives.h"
#include "engine_of.h"

namespace chainrule::CHAINRULE_ISA {

template Session* make<float>(const Program&, const Run&, int64_t, bool, Products);
template void derive<float>(const std::vector<ChainLayer>&, const Derivatives&, int);
template std::array<double, 3> check<float>(int64_t, int64_t, int64_t, int64_t, uint64_t, Products);

Layout layout_of(const Program& program, bool trains) {
    Net<float> net{program, Run{}, trains, false, Products::numbers};
    return layout_of(net, operations(net));
}

}  // namespace chainrule::CHAINRULE_ISA
