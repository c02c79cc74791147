// All operations, and the dispatch by an operation's kind.
#pragma once

#include "batch_norm.h"
#include "columnwise.h"
#include "dense.h"
#include "dropout.h"
#include "elementwise.h"
#include "embedding.h"
#include "joins.h"
#include "parametric.h"
#include "periodic.h"
#include "piecewise_linear.h"
#include "rescale.h"
#include "softmax.h"
#include "standardize.h"
#include "take.h"

namespace chainrule::CHAINRULE_ISA::ops {

#define CHAINRULE_CALL(name, ...) \
    case Kind::name: return name::CHAINRULE_WHAT;
#define CHAINRULE_WHAT forward(at)
template <class T>
void forward(const Forward<T>& at) {
    switch (at.op.kind) { CHAINRULE_OPS(CHAINRULE_CALL) }
}
#undef CHAINRULE_WHAT
#define CHAINRULE_WHAT backward(at)
template <class T>
void backward(const Backward<T>& at) {
    switch (at.op.kind) { CHAINRULE_OPS(CHAINRULE_CALL) }
}
#undef CHAINRULE_WHAT
#define CHAINRULE_WHAT gradient(at, sum)
template <class T>
void gradient(const Gradient<T>& at, T* sum) {
    switch (at.op.kind) { CHAINRULE_OPS(CHAINRULE_CALL) }
}
#undef CHAINRULE_WHAT
#undef CHAINRULE_CALL

}  // namespace chainrule::CHAINRULE_ISA::ops
