// The operations of a program.
#pragma once

#include <memory>

#include "operations.h"  // every file of this folder: CMakeLists.txt writes it

namespace chainrule::CHAINRULE_ISA {

template <class T>
using Operations = std::vector<std::unique_ptr<ops::Operation<T>>>;

template <class T>
[[gnu::cold]] std::unique_ptr<ops::Operation<T>> operation(const Op& op, Net<T>& net) {
    switch (op.kind) {
#define CHAINRULE_MAKE(name, ...) \
    case Kind::name: return std::make_unique<ops::name<T>>(op, net);
        CHAINRULE_OPS(CHAINRULE_MAKE)
#undef CHAINRULE_MAKE
    }
    return nullptr;
}

// The operations of net.program, with their slots, which become net.slots. Throws if one has not what it needs.
template <class T>
[[gnu::cold]] Operations<T> operations(Net<T>& net) {
    const Program& program = net.program;
    check(program);
    Operations<T> found;
    for (const Op& op : program.ops) found.push_back(operation(op, net));
    std::vector<std::vector<Slot>> parts(program.parameters.size());
    for (size_t p = 0; p < parts.size(); ++p)
        for (const auto& each : found)
            for (size_t place = 0; place < each->op.parameters.size(); ++place) {
                if (each->op.parameters[place] != static_cast<int>(p)) continue;
                std::vector<Slot> cut = each->cut(program.parameters[p], place);
                require(parts[p].empty() || parts[p] == cut, "two operations hold a parameter in different ways");
                parts[p] = std::move(cut);
            }
    Array<int> first;  // slot of each parameter
    for (size_t p = 0; p < parts.size(); ++p) {
        if (parts[p].empty()) parts[p].push_back(whole(program.parameters[p]));  // of no operation
        first.push_back(static_cast<int>(net.slots.size()));
        net.slots.insert(net.slots.end(), parts[p].begin(), parts[p].end());
    }
    for (const auto& each : found) {
        const Op& op = each->op;
        for (const int number : op.parameters)
            for (size_t i = 0; i < parts[number].size(); ++i) each->slots.push_back(first[number] + static_cast<int>(i));
        for (const int slot : each->slots) each->is_trained |= net.is_trained(slot);
        require((op.in2 >= 0) == (each->inputs() == 2), "an operation has another number of inputs");
        require(each->width() == each->width_out(), "an operation makes another width");
        require((op.state < 0 ? -1 : program.states[op.state]) == each->state_width(), "a state has another width");
    }
    return found;
}

template <class T>
Layout layout_of(const Net<T>& net, const Operations<T>& operations) {
    return analyze(net.program, net.trains, [&](int o) {
        return Facts{operations[o]->is_product(), operations[o]->growth(), operations[o]->own_growth()};
    });
}

}  // namespace chainrule::CHAINRULE_ISA
