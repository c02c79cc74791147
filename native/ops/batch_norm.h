// batch_norm: formulas/layers/batch_norm.py in C++, a panel of columns at a time, whose scalars stay in registers for all rows.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
class batch_norm : public Operation<T> {
   public:
    using Operation<T>::op, Operation<T>::net;

    batch_norm(const Op& op, Net<T>& net) : Operation<T>(op, net) { this->sums_batch = op.in_training; }
    int vectors() const override { return 2; }  // gamma and beta (width,)
    int64_t state_width() const override { return this->width_in(); }  // running mean and variance (width,)
    [[gnu::cold]] void allocate(int64_t capacity) override {
        const int64_t ld = net.buffers[op.in].ld;
        if (net.trains) x_hat_.resize(capacity * ld);
        for (Array<T>* array : {&mean_, &inv_std_, &next_mean_, &next_var_, &dgamma_, &dbeta_, &mean_delta_, &mean_delta_x_}) array->resize(ld);
    }
    void sum(bool is_forth, int64_t n0, int64_t n1, int64_t batch) override {
        if (is_forth)
            statistics(net.rows_of(op.in), net.states[op.state], n0, n1, batch);
        else
            sums(net.gradient_rows_of(op.out), n0, n1, batch);
    }
    bool are_sums_finite() const override {
        return all_finite(dgamma_.data(), static_cast<int64_t>(dgamma_.size())) && all_finite(dbeta_.data(), static_cast<int64_t>(dbeta_.size()));
    }
    void end_step() override {
        State<T>& state = net.states[op.state];
        std::copy_n(next_mean_.begin(), state.a.size(), state.a.begin());
        std::copy_n(next_var_.begin(), state.b.size(), state.b.begin());
    }

    // out (batch, width) = gamma x_hat + beta, x_hat = (a - mean) / sqrt(var + eps), with the statistics of the batch or the running ones.
    void forward(const Forward<T>& at) override {
        constexpr int64_t P = PANEL<T>;
        const State<T>& state = at.state();
        const bool is_batch = at.in_training(), remembers = !x_hat_.empty();
        for (int64_t n = 0; n < at.width; n += P) {
            T mean[P], inv_std[P], gamma[P], beta[P];
            for (int64_t j = 0; j < P; ++j) {
                mean[j] = is_batch ? mean_[n + j] : state.a[n + j];
                inv_std[j] = is_batch ? inv_std_[n + j] : T(1) / std::sqrt(state.b[n + j] + at.c0());
                gamma[j] = at.parameter(0)[n + j], beta[j] = at.parameter(1)[n + j];
            }
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T* a = at.a.row(i) + n;
                T x_hat[P], z[P];
                for (int64_t j = 0; j < P; ++j) x_hat[j] = (a[j] - mean[j]) * inv_std[j];
                for (int64_t j = 0; j < P; ++j) z[j] = fused(gamma[j], x_hat[j], beta[j]);
                if (remembers) std::copy(x_hat, x_hat + P, &x_hat_[i * at.ld + n]);
                std::copy(z, z + P, at.row(i) + n);
            }
        }
    }

    // dL/da (batch, width) = gamma / sqrt(var + eps) (delta - mean(delta) - x_hat mean(delta x_hat)). With the running statistics, which do
    // not depend on the batch, both means are 0.
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        constexpr int64_t P = PANEL<T>;
        const bool more = at.accumulates;
        for (int64_t n = 0; n < at.width; n += P) {
            T scale[P], mean_delta[P] = {}, mean_delta_x[P] = {};
            for (int64_t j = 0; j < P; ++j) {
                const T gamma = at.parameter(0)[n + j];
                if (op.in_training)
                    scale[j] = gamma * inv_std_[n + j], mean_delta[j] = mean_delta_[n + j],
                    mean_delta_x[j] = mean_delta_x_[n + j];
                else
                    scale[j] = gamma / std::sqrt(at.state().b[n + j] + at.c0());
            }
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T *delta = at.delta.row(i) + n, *x_hat = &x_hat_[i * at.delta.ld + n];
                T *to = at.row(i) + n, found[P];
                for (int64_t j = 0; j < P; ++j) found[j] = scale[j] * (delta[j] - mean_delta[j] - x_hat[j] * mean_delta_x[j]);
                for (int64_t j = 0; j < P; ++j) to[j] = more ? to[j] + found[j] : found[j];
            }
        }
    }

    // dL/dgamma or dL/dbeta (width,), from `sums`.
    void gradient(const Gradient<T>& at, T* g) override {
        const Array<T>& from = at.task.place == 0 ? dgamma_ : dbeta_;
        std::copy_n(&from[at.task.n0], padded<T>(at.task.columns()), g);
    }

   private:
    // Mean and variance of the batch (width,) for columns n0 to n1 (whole panels), and the running ones after this step.
    void statistics(Rows<T> from, const State<T>& state, int64_t n0, int64_t n1, int64_t batch) {
        constexpr int64_t P = PANEL<T>;
        // A single sample has no variance, so the running statistics stay as they are.
        const T momentum = batch > 1 ? T(op.c1) : T(1), unbiased = batch > 1 ? T(double(batch) / double(batch - 1)) : T(0);
        for (int64_t n = n0; n < n1; n += P) {
            const T* a = from.first + n;
            T mean[P] = {}, var[P] = {};
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) mean[j] += a[i * from.ld + j];
            for (int64_t j = 0; j < P; ++j) mean[j] /= T(batch);
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) {
                    const T x = a[i * from.ld + j] - mean[j];
                    var[j] = fused(x, x, var[j]);
                }
            for (int64_t j = 0; j < P; ++j) {
                var[j] /= T(batch);
                mean_[n + j] = mean[j];
                inv_std_[n + j] = T(1) / std::sqrt(var[j] + T(op.c0));
                next_mean_[n + j] = momentum * state.a[n + j] + (T(1) - momentum) * mean[j];
                next_var_[n + j] = momentum * state.b[n + j] + (T(1) - momentum) * unbiased * var[j];
            }
        }
    }

    // dL/dgamma = sum_i delta_i x_hat_i and dL/dbeta = sum_i delta_i for columns n0 to n1 (whole panels), and their means.
    void sums(Rows<T> delta, int64_t n0, int64_t n1, int64_t batch) {
        constexpr int64_t P = PANEL<T>;
        for (int64_t n = n0; n < n1; n += P) {
            T dgamma[P] = {}, dbeta[P] = {};
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) {
                    const T x = delta.row(i)[n + j];
                    dbeta[j] += x;
                    dgamma[j] = fused(x, x_hat_[i * delta.ld + n + j], dgamma[j]);
                }
            for (int64_t j = 0; j < P; ++j) {
                dgamma_[n + j] = dgamma[j], dbeta_[n + j] = dbeta[j];
                mean_delta_[n + j] = dbeta[j] / T(batch), mean_delta_x_[n + j] = dgamma[j] / T(batch);
            }
        }
    }

    Array<T> x_hat_;                       // (batch, ld)
    Array<T> mean_, inv_std_;              // (ld,) of the batch
    Array<T> next_mean_, next_var_;        // (ld,) running statistics after this step
    Array<T> dgamma_, dbeta_;              // (ld,)
    Array<T> mean_delta_, mean_delta_x_;   // (ld,) means over the batch of delta and of delta x_hat
};

}  // namespace chainrule::CHAINRULE_ISA::ops
