// Over 300 lines because a product's way there, back and to dL/dW is one operation.
// dense: formulas/layers/dense.py in C++, by the products of products.h, or of bfloat16 numbers by those of blocks32.h. An activation after
// it is fused into forward, f'(z) of the product before it into backward (Layout::Part). The first one may read the entries of a CSR
// matrix (sparse.h).
//
// grouped_dense (formulas/layers/grouped_dense.py) is a product for each group, on its columns of a and of out. A product writes
// whole panels, so it may write beyond its group's columns: the next group, which comes after it, writes over that.
#pragma once

#include "../copies.h"
#include "../one_row.h"
#include "../word_products.h"
#include "base.h"
#include "elementwise.h"

namespace chainrule::CHAINRULE_ISA::ops {

constexpr int64_t FAR = 1 << 23;            // parameters of a network from which its copies are written past the caches
constexpr int64_t WORTH_WAITING = 1 << 19;  // multiplications for which sharing an operation's columns is worth two barriers

// Parameters: W (K, N) and perhaps b (N,); of groups that do not share them (groups, K, N) and (groups, N). K and N are columns of a
// group, of a and of out.
template <class T>
class dense : public Operation<T> {
   public:
    using Operation<T>::op, Operation<T>::net, Operation<T>::slots, Operation<T>::part, Operation<T>::values;

    dense(const Op& op, Net<T>& net) : Operation<T>(op, net), K_(this->width_in() / group_count()), N_(this->width_out() / group_count()) {}

    std::vector<Slot> cut(const Parameter& given, size_t) const override {
        std::vector<Slot> found;
        const bool is_cut = op.groups > 1 && !op.shares;
        for (int group = 0; group < (is_cut ? copies() : 1) && (!is_cut || given.shape[0] == copies()); ++group)
            found.push_back(whole(given, is_cut, group));
        return found;
    }
    int64_t width() const override {
        require(op.groups > 0 && this->width_in() == K_ * op.groups && this->width_out() == N_ * op.groups, "a group has other columns");
        require(!slots.empty(), "a dense has no W");
        bool fits = static_cast<int>(slots.size()) == copies() || static_cast<int>(slots.size()) == 2 * copies();
        for (int place = 0; fits && place < static_cast<int>(slots.size()); ++place)
            fits = place < copies() ? this->slot(place).rows == K_ && this->slot(place).columns == N_
                                    : this->is_vector(place, N_);
        require(fits, "W or b has another shape");
        return this->width_out();
    }
    bool is_product() const override { return true; }
    bool rounds_out() const override { return net.is_bf16(); }
    // For a (n, K) and W (K, N): |a W + b| <= (K + 1) max|W, b| max(1, |a|), and |delta W^T| <= N max|W| |delta|.
    double growth() const override {
        const double activation = bound_of_function(op);
        return activation * activation * (double(K_ + 1) * USUAL_PARAMETER * (double(N_) * USUAL_PARAMETER));
    }
    double work() const override { return double(this->width_in()) * double(this->width_out()) / op.groups * (net.trains ? 6 : 2); }
    int64_t repeats() const override { return op.shares ? op.groups : 1; }
    int64_t room() const override {  // a product of the last group writes whole panels
        return op.groups == 1 ? 0 : std::max(padded<T>(K_) - K_, padded<T>(N_) - N_);
    }
    bool reads_in_place() const override { return true; }
    bool reads_entries() const override { return op.groups == 1 && !net.is_bf16(); }

    void lead_to(Operation<T>& next) override {
        if (!net.has_tiles() || !net.trains || op.groups > 1 || next.op.groups > 1) return;
        words_.lead_to(static_cast<dense&>(next).words_);
    }
    [[gnu::cold]] void allocate(int64_t capacity) override {
        const bool goes_back = net.buffers[op.in].needs_gradient || net.program.slopes;
        int64_t parameters = 0;
        for (const Slot& slot : net.slots) parameters += slot.rows * slot.columns;
        is_far_ = parameters > FAR;
        if (net.has_words()) words_.allocate(net.has_tiles(), op.groups, capacity, this->is_trained);
        copies_.resize(copies());
        for (Copies<T>& W : copies_) W.allocate(net, K_, N_, net.trains && goes_back);
    }
    int64_t readers() const override { return this->is_trained && this->samples() <= SHORT_BATCH ? strips() : 1; }
    [[gnu::cold]] void reserve(Workspace<T>& own, int64_t rows, int64_t samples) const override {
        const Buffer<T>& in = net.buffers[op.in];
        if ((in.needs_gradient || net.program.slopes) && part.accumulates) own.need(rows * in.ld);
        if constexpr (HAS_WORDS<T>)
            if (net.has_words()) words_.reserve(own, rows);
        if (!this->is_trained || net.is_bf16()) return;
        const int64_t together = this->shares_samples(N_) ? std::min(NEAR_BATCH, samples) : samples;
        for (int64_t strip = 0; strip < strips(); ++strip) {
            const int64_t K = std::min(STRIP_ROWS, K_ - strip * STRIP_ROWS);
            own.reader(strip).reserve(together, K, is_packed(), op.in == 0);
        }
    }

    // out (batch, groups N) = f(a W + b) with a (batch, groups K)
    void forward(const Forward<T>& at) override {
        const int64_t n0 = at.block.n0, N = std::min(at.block.n1, N_) - n0;  // n0 = 0 and N = N_ if there are groups
        for (int group = 0; group < op.groups; ++group) {
            const Copies<T>& W = copies_[of(group)];
            const T* b = has_bias() ? values[copies() + of(group)] + n0 : nullptr;
            T* to = at.row(at.r0) + group * N_ + n0;
            const Activate<T> over_z{op.function, at.c0(), to, at.ld, net.is_bf16() && net.buffers[op.out].is_multiplied};
            if (takes_entries()) {  // one group
                for (int64_t i = at.r0; i < at.r1; ++i, to += at.ld) {
                    forward_row(at.own.entries.row(i), panels(group), b, to, K_, N);
                    for (int64_t n = 0; n < N; n += PANEL<T>) over_z(i - at.r0, i - at.r0 + 1, n);
                }
                return;
            }
            const Rows<T> a{at.a.first + group * K_, at.a.ld};
            if constexpr (HAS_WORDS<T>)
                if (words_.leads_forth()) {
                    words_.forward_to_next(a, W.pairs, b, op.function, at.c0(), at);
                    continue;
                }
            if (net.is_bf16())
                product_in_blocks<true>(a, panels(group), W.pairs, b, to, at.ld, group, at, over_z);
            else
                product<true>(a, panels(group) + n0 * K_, b, to, at.ld, K_, N, at, over_z);
        }
    }

    // dL/da (batch, groups K) = delta W^T with delta (batch, groups N) = dL/d out f'(z). If it completes the product that made a,
    // dL/da is multiplied by that one's f'(z).
    void backward(const Backward<T>& at) override {
        Buffer<T>&in = net.buffers[op.in], &out = net.buffers[op.out];
        if (!part.is_delta && op.function != Activation::identity) {
            const TimesPrime<T> to_delta{op.function, at.c0(), out.a.data(), out.grad.data(), out.ld};
            for (int64_t n = 0; n < out.width; n += PANEL<T>) to_delta(at.r0, at.r1, n);
        }
        if (!part.is_delta) net.round_rows(out.grad, out, at.r0, at.r1);  // else the next product has
        if (at.to == nullptr) {
            if constexpr (HAS_WORDS<T>)
                for (int group = 0; group < op.groups; ++group)
                    words_.read_delta({at.delta.first + group * N_, at.delta.ld}, group, at.r0, at.r1);
            return;
        }
        const int64_t k0 = at.block.n0, K = std::min(at.block.n1, K_) - k0;  // columns of dL/da of a group
        const Op* before = part.completes < 0 ? nullptr : &net.program.ops[part.completes];
        for (int group = 0; group < op.groups; ++group) {
            const int64_t from = group * K_ + k0;
            T *a_grad = at.row(at.r0) + from, *to = at.accumulates ? at.own.scratch.data() + from : a_grad;
            const Copies<T>& W = copies_[of(group)];
            const Rows<T> delta{at.delta.first + group * N_, at.delta.ld};
            const TimesPrime<T> finish{before ? before->function : Activation::identity, before ? T(before->c0) : T(0),
                                       &in.a[at.r0 * in.ld + from], a_grad, in.ld, net.is_bf16() && before != nullptr};
            if constexpr (HAS_WORDS<T>)
                if (words_.leads_back()) {
                    words_.back_to_before(delta, W.transposed_pairs, before->function, T(before->c0), at);
                    continue;
                }
            if (net.is_bf16()) {
                product_in_blocks<false>(delta, W.transposed.data(), W.transposed_pairs, nullptr, to, in.ld, group, at, finish);
            } else if (!net.is_one_row) {
                product<false>(delta, W.transposed.data() + k0 * N_, nullptr, to, in.ld, N_, K, at, finish);
            } else if (at.r0 < at.r1) {
                backward_row(delta.row(at.r0), panels(group), to, K_, N_, k0, k0 + K);
                for (int64_t n = 0; n < K; n += PANEL<T>) finish(0, 1, n);
            }
            if (at.accumulates)
                for (int64_t i = 0; i < at.r1 - at.r0; ++i)
                    for (int64_t j = 0; j < K; ++j) a_grad[i * in.ld + j] += to[i * in.ld + j];
        }
    }
    // out' = a' W
    void tangent(const Tangent<T>& at) override {
        for (int group = 0; group < op.groups; ++group) {
            const Activate<T> linear{Activation::identity, T(0), nullptr, at.ld};
            const Rows<T> a_dot{at.a_dot.first + group * K_, at.a_dot.ld};
            product<true>(a_dot, panels(group), nullptr, at.to + at.r0 * at.ld + group * N_, at.ld, K_, N_, at, linear);
        }
    }
    // Threads share the columns rather than few rows: each reads a part of W, and its tiles are whole.
    bool shares_columns(int64_t rows, int present, bool is_forth) const override {
        if (net.program.slopes || op.groups > 1 || net.is_bf16() || rows > FEW_ROWS * present || takes_entries()) return false;
        const Buffer<T>&in = net.buffers[op.in], &out = net.buffers[op.out];
        if (rows * in.width * out.width < WORTH_WAITING) return false;
        if (is_forth) return op.out + 1 < static_cast<int>(net.buffers.size()) && out.width > PANEL<T> * present;
        const bool is_delta = part.is_delta || op.function == Activation::identity;
        return in.needs_gradient && is_delta && in.width > PANEL<T> * present;
    }

    void measure_a(Largest<T>& largest, int64_t r0, int64_t r1) const override {
        if constexpr (HAS_WORDS<T>)
            if (words_.a().measure(largest, r0, r1)) return;
        Operation<T>::measure_a(largest, r0, r1);
    }
    void measure_delta(Largest<T>& largest, int64_t r0, int64_t r1) const override {
        if constexpr (HAS_WORDS<T>)
            if (words_.delta().measure(largest, r0, r1)) return;
        Operation<T>::measure_delta(largest, r0, r1);
    }

    // dL/dW (K, N) = a^T delta, in strips      dL/db (N,) = sum_i delta_i      both summed over the groups that share them
    void gradient(const Gradient<T>& at, T* g) override {
        const bool is_W = at.task.place < copies();
        const int g0 = op.shares ? 0 : at.task.place % copies(), g1 = op.shares ? op.groups : g0 + 1;
        if (is_W && takes_entries()) return gradient_of_entries(at, g);
        if (is_W) gradient_of_W(at, g0, g1, at.a, g);
        if (!is_W)
            at.panels(g, [&](int64_t n, T* sum) {
                constexpr int64_t P = PANEL<T>;
                T sums[P];  // in registers
                std::copy(sum, sum + P, sums);
                for (int group = g0; group < g1; ++group) {
                    if constexpr (HAS_WORDS<T>)
                        if (words_.add_delta(group, n, at.r0, at.r1, sums)) continue;
                    const T* delta = at.delta.first + group * N_ + n;
                    for (int64_t i = at.r0; i < at.r1; ++i)
                        for (int64_t j = 0; j < P; ++j) sums[j] += delta[i * at.delta.ld + j];
                }
                std::copy(sums, sums + P, sum);
            });
        if (op.groups > 1) clear_padding(g, at.task.rows(), at.task.columns());  // the last panel of a group has read the next group's delta
    }
    // a'^T delta of W, and 0 of b
    void gradient_tangent(const Gradient<T>& at, Rows<T> a_dot, T* g) override {
        if (at.task.place >= copies()) return;
        const int g0 = op.shares ? 0 : at.task.place % copies(), g1 = op.shares ? op.groups : g0 + 1;
        gradient_of_W(at, g0, g1, a_dot, g);
        if (op.groups > 1) clear_padding(g, at.task.rows(), at.task.columns());
    }
    std::optional<Outer<T>> outer(const Task& task) const override {  // dL/dW[k, n] = a[k] delta[n]
        if (op.groups > 1 || task.place > 0 || takes_entries() || words_.leads_forth() || words_.leads_back()) return {};
        return Outer<T>{&net.buffers[op.in].a[task.k0], &net.buffers[op.out].grad[task.n0]};
    }
    int64_t rows_of(const Task& task, uint8_t* at) const override {  // those with an entry in the batch
        if (task.place > 0 || !takes_entries()) return -1;
        bool is_there[STRIP_ROWS] = {};
        for (int number = 0; number < net.present; ++number) net.workspaces[number].entries.mark(task.k0 / STRIP_ROWS, is_there);
        int64_t count = 0;
        for (int64_t k = 0; k < task.rows(); ++k) at[count] = static_cast<uint8_t>(k), count += is_there[k];
        return count;
    }
    bool is_derived_from(int place) const override {
        return place < copies() && !copies_[place].empty();
    }
    void refresh(int place, int64_t k0, int64_t k1, int64_t n0, int64_t n1) override {
        copies_[place].refresh(net, values[place], k0, k1, n0, n1, K_, N_, is_far_);
    }

   private:
    int group_count() const { return std::max(op.groups, 1); }
    int64_t strips() const { return (K_ + STRIP_ROWS - 1) / STRIP_ROWS; }
    int copies() const { return op.shares ? 1 : op.groups; }  // of W, and of b
    int of(int group) const { return op.shares ? 0 : group; }
    bool has_bias() const { return static_cast<int>(slots.size()) > copies(); }
    const T* panels(int group) const { return copies_[of(group)].forth(values[of(group)]); }
    bool takes_entries() const { return net.is_sparse && op.in == 0; }
    bool is_packed() const { return N_ >= MANY_PANELS * PANEL<T>; }  // whether the columns of a are packed for dL/dW

    // z (r1 - r0, N) = a[r0 : r1] W + b. a is K columns of a buffer's a or grad, W (K, N) is in panels. finish as in forward_rows.
    template <bool MAY_HAVE_GAPS, class Finish>
    void product(Rows<T> a, const T* panels, const T* b, T* z, int64_t ldz, int64_t K, int64_t N, const Work<T>& at, const Finish& finish) {
        if (at.r0 == at.r1) return;
        if (!net.is_one_row) {
            const bool may_skip = MAY_HAVE_GAPS && (op.in == 0 || !net.trains);
            const bool gaps = may_skip && has_gaps(a.row(at.r0), a.ld, at.r1 - at.r0, K, share_that_pays<T>(N));
            return forward_rows<MAY_HAVE_GAPS>(a.row(at.r0), a.ld, panels, b, z, ldz, at.r1 - at.r0, K, N, finish, gaps);
        }
        forward_row(a.row(at.r0), panels, b, z, K, N, at.own.nonzero.data());
        for (int64_t n = 0; n < N; n += PANEL<T>) finish(0, 1, n);
    }

    // The same of a whole group in bfloat16: forth a W + b, or back delta W^T.
    template <bool IS_FORTH, class Finish>
    void product_in_blocks(Rows<T> a, const T* panels, const Array<Pair>& pairs, const T* b, T* z, int64_t ldz, int group, const Work<T>& at,
                           const Finish& finish) {
        const int64_t K = IS_FORTH ? K_ : N_, N = IS_FORTH ? N_ : K_;
        if constexpr (HAS_WORDS<T>)
            if (net.has_words()) return words_.template product<IS_FORTH>(a, pairs, b, z, ldz, group, at, finish);
        if constexpr (std::is_same_v<T, float>)
            forward_chains(a.row(at.r0), a.ld, panels, K, b, z, ldz, at.r1 - at.r0, K, N, finish);
    }

    void gradient_of_W(const Gradient<T>& at, int g0, int g1, Rows<T> from, T* g) {
        constexpr int64_t P = PANEL<T>;
        const Task& task = at.task;
        const int64_t K = task.rows();
        const bool is_far = K_ * N_ * static_cast<int64_t>(sizeof(T)) > NEAR;
        const Reading reading = op.in == 0 && at.has_gaps ? Reading::sparse : is_packed() ? Reading::packed : Reading::in_place;
        Columns<T>& columns = at.own.reader(task.k0 / STRIP_ROWS);
        const int64_t most = this->shares_samples(N_) ? NEAR_BATCH : at.r1 - at.r0;
        for (int group = g0; group < g1; ++group)
            for (int64_t s = at.r0; s < at.r1; s += most) {
                const int64_t size = std::min(most, at.r1 - s);
                const bool begins = s == at.r0 && group == g0;
                const T* a = from.row(s) + group * K_ + task.k0;
                for (int64_t n = task.n0; n < task.n1; n += P) {
                    const T* delta = at.delta.row(s) + group * N_ + n;
                    const Ahead<T> ahead = is_far && begins ? ahead_of(task, n) : Ahead<T>{};
                    T* to = g + (n - task.n0) * K;
                    const bool more = at.more || !begins;
                    if constexpr (HAS_WORDS<T>)
                        if (net.has_words()) {
                            words_.gradient(to, group, task.k0, K, n, s, size, more);
                            continue;
                        }
                    if constexpr (std::is_same_v<T, float>)
                        if (net.is_bf16()) {
                            gradient_chains(a, from.ld, delta, at.delta.ld, to, size, K, N_ - n, more);
                            continue;
                        }
                    columns.read(a, from.ld, size, K, reading);
                    gradient_strip(columns, delta, at.delta.ld, to, size, K, N_ - n, more, ahead);
                }
            }
    }
    // From the entries of all threads' rows, or of its own thread's with micro-batches. Threads have rows in the order of their
    // numbers. A strip's few entries leave no time to prefetch in, and the processor follows the strips.
    void gradient_of_entries(const Gradient<T>& at, T* g) const {
        const Buffer<T>& out = net.buffers[op.out];
        const int64_t K = at.task.rows(), strip = at.task.k0 / STRIP_ROWS;
        const Workspace<T>* first = net.microbatch > 0 ? &at.own : net.workspaces.data();
        const Workspace<T>* last = first + (net.microbatch > 0 ? 1 : net.present);
        for (int64_t n = at.task.n0; n < at.task.n1; n += PANEL<T>, g += K * PANEL<T>) {
            if (!at.more) std::fill_n(g, K * PANEL<T>, T(0));
            for (const Workspace<T>* each = first; each != last; ++each)
                add_entries(each->entries.begin(strip), each->entries.end(strip), out.grad.data() + n, out.ld, out.width - n, g);
        }
    }
    // What the update of a task's panel at column n reads and writes.
    Ahead<T> ahead_of(const Task& task, int64_t n) const {
        const Panels<T>& W = net.panels[task.slot];
        const Array<T>& transposed = copies_[task.place].transposed;
        const int64_t at = n * K_ + task.k0 * PANEL<T>;
        const auto moment = [&](int k) { return W.moment[k].empty() ? nullptr : &W.moment[k][at]; };
        return {&W.value[at], {moment(0), moment(1), moment(2)}, transposed.empty() ? nullptr : transposed.data(), task.k0, n, N_};
    }
    const int64_t K_, N_;         // columns of a group
    bool is_far_ = false;         // whether copies of W are written past the caches
    std::vector<Copies<T>> copies_;  // of each W
    WordProducts words_{K_, N_};  // with words
};

template <class T>
using grouped_dense = dense<T>;

}  // namespace chainrule::CHAINRULE_ISA::ops
