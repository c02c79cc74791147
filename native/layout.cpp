#include "layout.h"

#include <algorithm>
#include <limits>

namespace chainrule {

void check(const Program& program) {
    require(program.widths.size() == program.ops.size() + 1, "it has another number of buffers than operations");
    for (const int64_t columns : program.widths) require(columns > 0, "a buffer has no columns");
    for (const std::vector<double>* bounds : {&program.lower, &program.upper})
        require(bounds->empty() || bounds->size() == static_cast<size_t>(program.size), "the bounds are of another size than theta");
    require(program.lower.empty() == program.upper.empty(), "a bound has no other side");
    require(program.members > 0 && program.widths.back() % program.members == 0, "the last buffer has parts of another width");
    require(program.loss_c.size() == 1 || program.loss_c.size() == static_cast<size_t>(program.outputs()),
            "the loss has neither one constant nor one for each output");
    const bool is_of_groups = program.loss == Loss::pairwise_logistic || program.loss == Loss::lambda_rank;
    require(!is_of_groups || program.outputs() == 1, "a loss of groups has one output");
    for (const Parameter& each : program.parameters) {
        const bool has_size = !each.shape.empty() && std::all_of(each.shape.begin(), each.shape.end(), [](int64_t n) { return n > 0; });
        require(has_size && each.start >= 0 && each.start + each.numbers() <= program.size, "a parameter lies outside theta");
    }
    for (size_t o = 0; o < program.ops.size(); ++o) {
        const Op& op = program.ops[o];
        require(op.out == static_cast<int>(o) + 1 && op.in >= 0 && op.in < op.out && op.in2 >= -1 && op.in2 < op.out,
                "an operation reads what is not there yet");
        require(op.state >= -1 && op.state < static_cast<int>(program.states.size()), "an operation has a state that is not there");
        for (const int number : op.parameters)
            require(number >= 0 && number < static_cast<int>(program.parameters.size()), "an operation has a parameter that is not there");
    }
}

Layout analyze(const Program& program, bool trains, const std::function<Facts(int)>& facts_of) {
    require(!trains || (program.loss == Loss::own) == program.own_loss.has_value(), "its loss is computed neither here nor by the caller");
    Layout layout;
    layout.values.resize(program.widths.size()), layout.parts.resize(program.ops.size());
    std::vector<Facts> facts;
    for (size_t o = 0; o < program.ops.size(); ++o) facts.push_back(facts_of(static_cast<int>(o)));
    const auto is_trained = [&](const Op& op) {
        return trains && std::any_of(op.parameters.begin(), op.parameters.end(), [&](int number) { return program.parameters[number].is_trained; });
    };
    for (const Op& op : program.ops) {
        Layout::Values& in = layout.values[op.in];
        ++in.readers;
        in.is_multiplied |= facts[op.out - 1].is_product;
        if (op.in2 >= 0) ++layout.values[op.in2].readers;
        layout.values[op.out].needs_gradient = is_trained(op) || in.needs_gradient || (op.in2 >= 0 && layout.values[op.in2].needs_gradient);
    }
    if (trains) layout.values.back().needs_gradient = true;
    std::vector<bool> begun(program.widths.size(), false);
    for (size_t o = program.ops.size(); o-- > 0;) {
        const Op& op = program.ops[o];
        Layout::Part& part = layout.parts[o];
        if (op.in2 >= 0) part.accumulates2 = begun[op.in2], begun[op.in2] = true;
        part.accumulates = begun[op.in], begun[op.in] = true;
        const int before = op.in - 1;  // the operation that writes buffer op.in: operation k writes buffer k + 1
        if (before < 0 || !facts[o].is_product || !facts[before].is_product) continue;
        if (layout.values[op.in].readers == 1) part.completes = before, layout.parts[before].is_delta = true;
    }
    const auto first = std::find_if(program.ops.begin(), program.ops.end(), is_trained);
    layout.first_trained = static_cast<int>(first - program.ops.begin());
    for (size_t o = 0; o < program.ops.size(); ++o) {
        layout.own_growth = std::max(layout.own_growth, facts[o].own_growth);
        if (program.ops.begin() + static_cast<std::ptrdiff_t>(o) < first) continue;
        const bool follows = program.ops[o].in == static_cast<int>(o);
        layout.growth *= follows ? facts[o].growth : std::numeric_limits<double>::infinity();
    }
    return layout;
}

}  // namespace chainrule
