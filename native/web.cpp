// The engine for a web page: the interface that JavaScript calls (src/chainrule/studio/web/engine/kernels.js). One thread, float32.
//
// A program comes as one list of numbers (Words). Every function that can fail returns -1 or null, and message() then says why.
#include <cstdlib>
#include <memory>
#include <string>

#include "engine_of.h"

#define CHAINRULE_EXPORT(name) extern "C" __attribute__((export_name(#name)))

using namespace chainrule;
using namespace chainrule::CHAINRULE_ISA;

namespace {

std::string last_message;

// What `work` returns; `failed`, with the message, if it throws.
template <class R, class Work>
R guarded(R failed, Work&& work) noexcept {
    try {
        return work();
    } catch (const std::bad_alloc&) {
        last_message = "There is not enough memory for this network; make it or its batches smaller.";
    } catch (const std::exception& error) {
        last_message = error.what();
    }
    return failed;
}

// A program and its run as numbers one after the other; a list is its length, and its numbers.
class Words {
   public:
    Words(const double* first, int64_t count) : at_(first), end_(first + count) {}

    double number() {
        require(at_ < end_, "it ends too early");
        return *at_++;
    }
    int64_t integer() { return static_cast<int64_t>(number()); }
    template <class N>
    std::vector<N> list() {
        const int64_t count = integer();
        require(count >= 0 && count <= end_ - at_, "a list is longer than what is left");
        std::vector<N> found(at_, at_ + count);
        at_ += count;
        return found;
    }
    template <class E>
    E member() {
        const int64_t value = integer();
        require(value >= 0 && value < static_cast<int64_t>(names_of(E{}).size()), "no such number in an enumeration");
        return static_cast<E>(value);
    }
    bool are_all_read() const { return at_ == end_; }

   private:
    const double *at_, *const end_;
};

// The braces evaluate from left to right.
Op read_op(Words& from) {
    return Op{.kind = from.member<Kind>(),
              .in = static_cast<int>(from.integer()),
              .in2 = static_cast<int>(from.integer()),
              .out = static_cast<int>(from.integer()),
              .parameters = from.list<int>(),
              .state = static_cast<int>(from.integer()),
              .function = from.member<Activation>(),
              .c0 = from.number(),
              .c1 = from.number(),
              .stream = static_cast<uint32_t>(from.integer()),
              .in_training = from.number() != 0,
              .groups = static_cast<int>(from.integer()),
              .shares = from.number() != 0,
              .columns = from.list<int32_t>()};
}

Parameter read_parameter(Words& from) {
    return Parameter{.start = from.integer(),
                     .shape = from.list<int64_t>(),
                     .is_weight = from.number() != 0,
                     .is_trained = from.number() != 0,
                     .rate = from.number(),
                     .decays = from.number()};
}

Program read_program(Words& from) {
    Program program{};
    for (int64_t count = from.integer(); count > 0; --count) program.ops.push_back(read_op(from));
    for (int64_t count = from.integer(); count > 0; --count) program.parameters.push_back(read_parameter(from));
    program.widths = from.list<int64_t>(), program.states = from.list<int64_t>();
    program.size = from.integer();
    program.loss = from.member<Loss>(), program.loss_c = from.list<double>();
    program.smoothing = from.number(), program.scale = from.number(), program.offset = from.number();
    program.y_binary = from.number() != 0, program.y_classes = from.number() != 0;
    program.members = from.integer();
    program.l2 = from.number(), program.l1 = from.number(), program.max_norm = from.number();
    program.lower = from.list<double>(), program.upper = from.list<double>();
    return program;
}

Run read_run(Words& from) {
    return Run{.rule = from.member<Rule>(),
               .beta1 = from.number(),
               .beta2 = from.number(),
               .eps = from.number(),
               .decay = from.number(),
               .uncorrected_eps = from.number() != 0,
               .clip_norm = from.number(),
               .clip_value = from.number(),
               .batch_size = from.integer(),
               .seed = static_cast<uint32_t>(from.integer()),
               .threads = 1,
               .bf16 = false};
}

// Samples as a page has them: rows one after the other, of uint8 (type 0) or float32 (1).
Samples samples_of(const Program& program, const void* X, int type, const int64_t* labels, const double* y, const double* weight) {
    return {.X = X, .stride = program.widths.front() * (type == 0 ? 1 : 4), .type = type, .labels = labels, .y = y, .weight = weight};
}

}  // namespace

// A session with the program and the run that it refers to.
struct Held {
    Program program;
    Run run;
    std::unique_ptr<Engine<float>> engine{};
};

CHAINRULE_EXPORT(message) const char* message() { return last_message.c_str(); }

// The names of enumerations.h as JSON, in the order of their numbers: of operations, activations and losses [name, constant, ...],
// of activations also whether a dense may apply them.
CHAINRULE_EXPORT(names) const char* names() {
    static const std::string all = [] {
        std::string text = "{";
        const auto join = [&](const char* key, std::initializer_list<std::string> items) {
            text += std::string(text.size() > 1 ? "," : "") + "\"" + key + "\":[";
            for (const std::string* item = items.begin(); item != items.end(); ++item) text += (item != items.begin() ? "," : "") + *item;
            text += "]";
        };
#define CHAINRULE_JSON(name, first, second, ...) "[\"" #name "\",\"" first "\",\"" second "\"]",
        join("ops", {CHAINRULE_OPS(CHAINRULE_JSON)});
#undef CHAINRULE_JSON
#define CHAINRULE_JSON(name, constant, is_fused) "[\"" #name "\",\"" constant "\"," #is_fused "]",
        join("activations", {CHAINRULE_ACTIVATIONS(CHAINRULE_JSON)});
#undef CHAINRULE_JSON
#define CHAINRULE_JSON(name, constant) "[\"" #name "\",\"" constant "\"]",
        join("losses", {CHAINRULE_LOSSES(CHAINRULE_JSON)});
#undef CHAINRULE_JSON
#define CHAINRULE_JSON(name) "\"" #name "\"",
        join("rules", {CHAINRULE_RULES(CHAINRULE_JSON)});
        join("ends", {CHAINRULE_ENDS(CHAINRULE_JSON)});
#undef CHAINRULE_JSON
        return text + "}";
    }();
    return all.c_str();
}

// A session for a program and its run, with room for `capacity` rows; null if the program is refused.
CHAINRULE_EXPORT(make) Held* make(const double* words, int count, int capacity, int trains) {
    return guarded<Held*>(nullptr, [&] {
        Words from(words, count);
        Program program = read_program(from);
        const Run run = read_run(from);
        require(from.are_all_read() && capacity > 0 && run.batch_size > 0, "it has other numbers than it needs");
        auto held = std::make_unique<Held>(Held{std::move(program), run});
        held->engine = std::make_unique<Engine<float>>(held->program, held->run, capacity, trains != 0, Products::numbers);
        return held.release();
    });
}
CHAINRULE_EXPORT(release) void release(Held* held) { delete held; }

CHAINRULE_EXPORT(set_theta) void set_theta(Held* held, const float* theta) { held->engine->set_theta(theta); }
CHAINRULE_EXPORT(get_theta) void get_theta(const Held* held, float* theta) { held->engine->get_theta(theta); }
CHAINRULE_EXPORT(set_state) void set_state(Held* held, int number, const float* a, const float* b) { held->engine->set_state(number, a, b); }
CHAINRULE_EXPORT(get_state) void get_state(const Held* held, int number, float* a, float* b) { held->engine->get_state(number, a, b); }
CHAINRULE_EXPORT(moments) int moments(const Held* held) { return held->engine->moments(); }
CHAINRULE_EXPORT(set_moment) void set_moment(Held* held, int number, const float* values) { held->engine->set_moment(number, values); }
CHAINRULE_EXPORT(get_moment) void get_moment(const Held* held, int number, float* values) { held->engine->get_moment(number, values); }
CHAINRULE_EXPORT(mu_product) double mu_product(const Held* held) { return held->engine->mu_product(); }
CHAINRULE_EXPORT(set_mu_product) void set_mu_product(Held* held, double value) { held->engine->set_mu_product(value); }

// Takes steps over rows (n_rows,) of the samples. settings (5, n_steps): rate, decay, dropout, penalty, smoothing. first: the number
// of the first step, from 1. Adds to sums (5,), as Session::steps does, and sets sums[5] to the number of completed steps. Returns the
// number of the end.
CHAINRULE_EXPORT(steps)
int steps(Held* held, const void* X, int type, const int64_t* labels, const double* y, const double* weight, const int64_t* rows,
          int n_rows, const double* settings, int n_steps, double first, double step_offset, double* sums) {
    return guarded(-1, [&] {
        const Samples samples = samples_of(held->program, X, type, labels, y, weight);
        const auto part = [&](int number) { return settings + static_cast<int64_t>(number) * n_steps; };
        const Outcome outcome = held->engine->steps(samples, rows, n_rows, {part(0), part(1), part(2), part(3), part(4)}, n_steps,
                                                    static_cast<int64_t>(first), static_cast<int64_t>(step_offset), sums, [] { return false; });
        sums[5] = static_cast<double>(outcome.steps);
        if (outcome.end == End::failed) std::rethrow_exception(outcome.failure);
        return static_cast<int>(outcome.end);
    });
}

// Writes the outputs (n, outputs). Returns whether the samples are finite.
CHAINRULE_EXPORT(predict) int predict(Held* held, const void* X, int type, int n, float* out) {
    return guarded(-1, [&] {
        return static_cast<int>(held->engine->predict(samples_of(held->program, X, type, nullptr, nullptr, nullptr), n, out));
    });
}

// loss (n,) of outputs (n, outputs), of targets as `steps` takes them, with the program's label smoothing and without weights.
CHAINRULE_EXPORT(losses)
int losses(const Held* held, const float* out, int n, const int64_t* labels, const double* y, float* loss) {
    return guarded(-1, [&] {
        constexpr int L = Simd<float>::LANES;
        const Program& program = held->program;
        const int64_t outputs = program.outputs(), room = padded<float>(outputs);
        const Samples samples = samples_of(program, nullptr, 1, labels, y, nullptr);
        const float keep = static_cast<float>(1 - program.smoothing);
        const float floor = static_cast<float>(program.smoothing / (program.y_binary ? 2.0 : static_cast<double>(outputs)));
        Array<float> z(room * L), targets(room * L), delta(room * L);
        for (int64_t i0 = 0; i0 < n; i0 += L) {
            const int64_t count = std::min<int64_t>(L, n - i0);
            std::fill(z.begin(), z.end(), 0.0f), std::fill(targets.begin(), targets.end(), 0.0f);
            for (int64_t i = 0; i < count; ++i) {
                const int64_t label = labels != nullptr ? label_of(samples, i0 + i, outputs) : -1;
                for (int64_t k = 0; k < outputs; ++k) {
                    const float target = labels != nullptr ? static_cast<float>(k == label) : static_cast<float>(y[(i0 + i) * outputs + k]);
                    z[k * L + i] = out[(i0 + i) * outputs + k];
                    targets[k * L + i] = program.smoothing > 0 ? keep * target + floor : target;
                }
            }
            const float share[L] = {};
            float value[L];
            with_loss(program.loss, [&](auto which) {
                loss_lanes<which()>(z.data(), targets.data(), delta.data(), outputs, count, share, program.loss_c, value);
            });
            std::copy(value, value + count, loss + i0);
        }
        return 0;
    });
}

// What the last step has left in a buffer, the output of an operation or its error dL/d output: numbers (rows, width). Returns 0, and
// writes nothing, where the engine has no error because nothing before it is trained.
CHAINRULE_EXPORT(kept) int kept(const Held* held, int buffer, int is_error, int rows, float* numbers) {
    return guarded(-1, [&] {
        const Net<float>& net = held->engine->net();
        require(buffer >= 0 && buffer < static_cast<int>(net.buffers.size()) && net.microbatch == 0, "there is no such buffer");
        const Buffer<float>& from = net.buffers[buffer];
        if (is_error && !from.needs_gradient) return 0;
        const Array<float>& values = is_error ? from.grad : from.a;
        require(rows * from.ld <= static_cast<int64_t>(values.size()), "a buffer has fewer rows");
        for (int64_t i = 0; i < rows; ++i) std::copy_n(&values[i * from.ld], from.width, numbers + i * from.width);
        return 1;
    });
}

// dL/dtheta (size,) of the last step, which a run with clip_norm keeps, in theta's order; 0 for a parameter that is not trained.
CHAINRULE_EXPORT(gradient) int gradient(const Held* held, float* g) {
    return guarded(-1, [&] {
        require(held->run.clip_norm > 0, "it keeps no gradient without clip_norm");
        const Net<float>& net = held->engine->net();
        for (size_t s = 0; s < net.slots.size(); ++s) {
            const Slot& slot = net.slots[s];
            if (net.panels[s].g.empty()) std::fill_n(g + slot.start, slot.rows * slot.columns, 0.0f);
            else from_panels(net.panels[s].g.data(), g + slot.start, slot.rows, slot.columns);
        }
        return 0;
    });
}
