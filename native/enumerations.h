// The names that Python and C++ share. Each list stands here once; the module hands it to Python as a dict of name and number.
#pragma once

#include <array>

namespace chainrule {

// Operations, each a class of its name in ops/: the names of its two constants, and whether it can be trained on slopes (Operation::tangent).
#define CHAINRULE_OPS(X) \
    X(rescale, "scale", "offset", true) \
    X(standardize, "", "", true) \
    X(embedding, "", "", false) \
    X(take, "", "", false) \
    X(piecewise_linear, "", "", false) \
    X(periodic, "", "", false) \
    X(dense, "", "", true) \
    X(grouped_dense, "", "", true) \
    X(elementwise, "", "", true) \
    X(prelu, "", "", true) \
    X(parametric, "", "", true) \
    X(scale, "", "", true) \
    X(shift, "", "", true) \
    X(softmax, "", "", false) \
    X(batch_norm, "eps", "momentum", false) \
    X(dropout, "rate", "", true) \
    X(add, "", "", true) \
    X(concat, "", "", true)

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

// Losses: the name of the constant. `own`: one that the caller computes (program.h).
#define CHAINRULE_LOSSES(X) \
    X(mean_squared_error, "") \
    X(half_squared_error, "") \
    X(huber, "delta") \
    X(mean_absolute_error, "") \
    X(quantile, "q") \
    X(poisson, "") \
    X(gamma, "") \
    X(tweedie, "power") \
    X(sigmoid_cross_entropy, "") \
    X(softmax_cross_entropy, "") \
    X(focal_cross_entropy, "gamma") \
    X(ordinal_cross_entropy, "") \
    X(survival_cross_entropy, "") \
    X(binary_cross_entropy, "") \
    X(categorical_cross_entropy, "") \
    X(pairwise_logistic, "") \
    X(lambda_rank, "") \
    X(own, "")

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

#undef CHAINRULE_ENUMERATION
#undef CHAINRULE_NAME
#undef CHAINRULE_MEMBER

}  // namespace chainrule
