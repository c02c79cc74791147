// The names that Python and C++ share. Each list stands here once; the module hands it to Python as a dict of name and number.
#pragma once

#include <array>

namespace chainrule {

// Operations (ops/): the number of buffers that one reads, its least number of parameters (a dense may have a bias too, an
// embedding more tables, a piecewise_linear three for each column, a periodic four, a grouped dense those of each group), whether
// it has a state, and the names of its two constants.
#define CHAINRULE_OPS(X) \
    X(rescale, 1, 0, false, "scale", "offset") \
    X(standardize, 1, 0, true, "", "") \
    X(embedding, 1, 1, false, "", "") \
    X(take, 1, 0, false, "", "") \
    X(piecewise_linear, 1, 3, true, "", "") \
    X(periodic, 1, 4, false, "", "") \
    X(dense, 1, 1, false, "", "") \
    X(grouped_dense, 1, 1, false, "", "") \
    X(elementwise, 1, 0, false, "", "") \
    X(prelu, 1, 1, false, "", "") \
    X(parametric, 1, 1, false, "", "") \
    X(scale, 1, 1, false, "", "") \
    X(shift, 1, 1, false, "", "") \
    X(softmax, 1, 0, false, "", "") \
    X(batch_norm, 1, 2, true, "eps", "momentum") \
    X(dropout, 1, 0, false, "rate", "") \
    X(add, 2, 0, false, "", "") \
    X(concat, 2, 0, false, "", "")

// Activations: the name of the constant, and whether a dense may apply it in place of z, because f'(z) follows from a = f(z).
#define CHAINRULE_ACTIVATIONS(X) \
    X(identity, "", true) \
    X(relu, "", true) \
    X(leaky_relu, "slope", true) \
    X(elu, "alpha", true) \
    X(selu, "", true) \
    X(gelu, "", false) \
    X(gelu_tanh, "", false) \
    X(silu, "", false) \
    X(mish, "", false) \
    X(softplus, "", false) \
    X(sigmoid, "", true) \
    X(tanh, "", true)

// Losses: the name of the constant.
#define CHAINRULE_LOSSES(X) \
    X(mean_squared_error, "") \
    X(half_squared_error, "") \
    X(huber, "delta") \
    X(mean_absolute_error, "") \
    X(quantile, "q") \
    X(poisson, "") \
    X(sigmoid_cross_entropy, "") \
    X(softmax_cross_entropy, "") \
    X(binary_cross_entropy, "") \
    X(categorical_cross_entropy, "")

// Optimizers' rules.
#define CHAINRULE_RULES(X) \
    X(gradient_descent) \
    X(momentum) \
    X(nesterov) \
    X(rmsprop) \
    X(rmsprop_momentum) \
    X(adagrad) \
    X(adam) \
    X(amsgrad) \
    X(adamw) \
    X(nadam)

// How a run of steps ended: all are done; the loss, a gradient or an updated parameter is not finite; it was stopped; or an
// exception. Only `update` has changed the parameters in its last step.
#define CHAINRULE_ENDS(X) X(done) X(loss) X(gradient) X(update) X(stopped) X(failed)

// Places of a planned fault (faults.h): creating a thread, allocating an array, asking for the stop, reading samples, an
// operation's forward and backward, the sums of a batch norm, the gradient and the rule of a strip, the bound on norms, the
// decision at the end of a phase.
#define CHAINRULE_PLACES(X) \
    X(none) X(thread) X(allocation) X(stop) X(gather) X(forward) X(backward) X(statistics) X(gradient) X(rule) X(norms) X(decision)

// The fault: std::bad_alloc, std::runtime_error, a short sleep, or `passes` returns true.
#define CHAINRULE_FAULTS(X) X(memory) X(error) X(delay) X(event)

#define CHAINRULE_MEMBER(name, ...) name,
#define CHAINRULE_NAME(name, ...) #name,
// An enumeration of a list's members, from 0 on, and names_of(Type{}): their names in that order.
#define CHAINRULE_ENUMERATION(Type, LIST) \
    enum class Type : int { LIST(CHAINRULE_MEMBER) }; \
    constexpr auto names_of(Type) { return std::to_array<const char*>({LIST(CHAINRULE_NAME)}); }

CHAINRULE_ENUMERATION(Kind, CHAINRULE_OPS)
CHAINRULE_ENUMERATION(Activation, CHAINRULE_ACTIVATIONS)
CHAINRULE_ENUMERATION(Loss, CHAINRULE_LOSSES)
CHAINRULE_ENUMERATION(Rule, CHAINRULE_RULES)
CHAINRULE_ENUMERATION(End, CHAINRULE_ENDS)
CHAINRULE_ENUMERATION(Place, CHAINRULE_PLACES)
CHAINRULE_ENUMERATION(Fault, CHAINRULE_FAULTS)

// An operation's numbers in CHAINRULE_OPS.
struct Shape {
    int inputs, parameters;
    bool has_state;
};
constexpr Shape shape_of(Kind kind) {
#define CHAINRULE_SHAPE(name, inputs, parameters, has_state, ...) Shape{inputs, parameters, has_state},
    constexpr Shape all[] = {CHAINRULE_OPS(CHAINRULE_SHAPE)};
#undef CHAINRULE_SHAPE
    return all[static_cast<int>(kind)];
}

#undef CHAINRULE_ENUMERATION
#undef CHAINRULE_NAME
#undef CHAINRULE_MEMBER

}  // namespace chainrule
