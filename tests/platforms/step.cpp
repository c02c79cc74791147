// The engine without Python, for systems that a test cannot install it on: compares the kernels with their specifications and
// trains a network, by each instruction set of the processor. CMake builds it with -DCHAINRULE_STEP=ON; run.sh says how.
//
// Prints for each set and type the loss of the first and of the last epoch and the parameters' sum of squares; 1 if something is
// wrong.
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "engine.h"
#include "processor.h"

namespace {

using namespace chainrule;

constexpr int64_t INPUTS = 70, HIDDEN = 50, CLASSES = 10, SAMPLES = 500, BATCH = 64, EPOCHS = 10;
constexpr double LARGEST_DIFFERENCE[] = {1e-4, 1e-12};  // of a kernel from its specification, in float and in double

// A number in [-1, 1) that depends on `at` alone.
double random_number(uint64_t at) {
    at = at * 6364136223846793005u + 1442695040888963407u;
    at = (at ^ at >> 29) * 6364136223846793005u;
    return static_cast<double>(at >> 11) / 4503599627370496.0 - 1;
}

Program network() {
    Program found{};
    const auto dense = [&](int in, int64_t rows, int64_t columns, Activation function) {
        const int first = static_cast<int>(found.parameters.size());
        found.parameters.push_back({found.size, {rows, columns}, true, true, 1, 1});
        found.parameters.push_back({found.size + rows * columns, {columns}, false, true, 1, 0});
        found.size += rows * columns + columns;
        found.ops.push_back({.kind = Kind::dense, .in = in, .in2 = -1, .out = in + 1, .parameters = {first, first + 1}, .state = -1,
                             .function = function, .c0 = 0, .c1 = 0, .stream = 0, .in_training = true, .groups = 1, .shares = false, .columns = {}});
    };
    dense(0, INPUTS, HIDDEN, Activation::relu), dense(1, HIDDEN, CLASSES, Activation::identity);
    found.widths = {INPUTS, HIDDEN, CLASSES};
    found.loss = Loss::softmax_cross_entropy, found.loss_c = {0};
    found.scale = 1, found.y_classes = true, found.members = 1;
    return found;
}

template <class T>
bool trains(const char* isa, Session* (*make)(const Program&, const Run&, int64_t, bool, Products), Products products, int threads) {
    const Program program = network();
    const Run run{.rule = Rule::adam, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0, .uncorrected_eps = false, .clip_norm = 0,
                  .clip_value = 0, .batch_size = BATCH, .seed = 0, .threads = threads, .bf16 = false};
    std::vector<T> X(SAMPLES * INPUTS), theta(program.size);
    for (size_t i = 0; i < X.size(); ++i) X[i] = static_cast<T>(random_number(i));
    for (size_t i = 0; i < theta.size(); ++i) theta[i] = static_cast<T>(random_number(i + X.size()) / 5);
    std::vector<int64_t> labels(SAMPLES), rows(SAMPLES);
    for (int64_t i = 0; i < SAMPLES; ++i) {  // the place of the largest of a sample's first numbers
        rows[i] = i;
        for (int64_t k = 1; k < CLASSES; ++k)
            if (X[i * INPUTS + k] > X[i * INPUTS + labels[i]]) labels[i] = k;
    }
    const Samples samples{.X = X.data(), .stride = INPUTS * static_cast<int64_t>(sizeof(T)), .type = sizeof(T) == 4 ? 1 : 2,
                          .labels = labels.data(), .y = nullptr, .weight = nullptr};
    const std::unique_ptr<Session> session(make(program, run, BATCH, true, products));
    session->set_theta(theta.data());
    const int64_t steps = (SAMPLES + BATCH - 1) / BATCH;
    const std::vector<double> rate(steps, 1e-2), ones(steps, 1.0);
    double losses[EPOCHS];
    for (int64_t epoch = 0; epoch < EPOCHS; ++epoch) {
        double sums[5] = {};
        const Outcome outcome = session->steps(samples, rows.data(), SAMPLES, {rate.data(), ones.data(), ones.data(), ones.data(), ones.data()},
                                               steps, 1 + epoch * steps, 0, sums, [] { return false; });
        if (outcome.end != End::done || outcome.steps != steps) return false;
        losses[epoch] = sums[0] / sums[1];
    }
    session->get_theta(theta.data());
    double squares = 0;
    for (const T x : theta) squares += double(x) * double(x);
    std::printf("%-10s %-6s threads %d  loss %.4f to %.4f  sum of squares %.9f\n", isa, sizeof(T) == 4 ? "float" : "double", threads,
                losses[0], losses[EPOCHS - 1], squares);
    return std::isfinite(squares) && losses[EPOCHS - 1] < losses[0] / 2;
}

using Check = std::array<double, 3> (*)(int64_t, int64_t, int64_t, int64_t, uint64_t, Products);

template <class T>
bool kernels_are_right(Check check, Products products) {
    for (const auto& [rows, K, N, batch] : {std::array<int64_t, 4>{13, 70, 33, 150}, {1, 9, 5, 3}, {200, 300, 40, 40}})
        for (const double difference : check(rows, K, N, batch, 0, products))
            if (!(difference < LARGEST_DIFFERENCE[sizeof(T) == 8])) return false;
    return true;
}

}  // namespace

int main() {
    [[maybe_unused]] const Processor has = processor();
    bool are_right = true;
#define CHAINRULE_RUN(isa, is_there, products) \
    if (is_there) { \
        const bool kernels = kernels_are_right<float>(isa::check<float>, products) && kernels_are_right<double>(isa::check<double>, products); \
        if (!kernels) std::printf("%s: a kernel differs from its specification\n", #isa); \
        are_right &= kernels; \
        for (const int threads : {1, 2}) \
            are_right &= trains<float>(#isa, isa::make<float>, products, threads) & trains<double>(#isa, isa::make<double>, products, threads); \
    }
#if defined(CHAINRULE_HAS_avx512)
    CHAINRULE_RUN(avx512, has.avx512, has.avx512bf16 ? Products::pairs : Products::numbers)
#endif
#if defined(CHAINRULE_HAS_avx2)
    CHAINRULE_RUN(avx2, has.avx2, Products::numbers)
#endif
    CHAINRULE_RUN(baseline, true, Products::numbers)
    std::puts(are_right ? "all is right" : "something is wrong");
    return are_right ? 0 : 1;
}
