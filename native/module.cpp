// Over 300 lines because it is the one file that knows Python: what it hands in, what is called, and what goes back.
// The Python module `chainrule.engines.native._native`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <stdexcept>

#include "chain.h"
#include "distort.h"
#include "engine.h"
#include "faults.h"
#include "integers.h"
#include "interpreter.h"
#include "layout.h"
#include "processor.h"
#include "team_size.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace chainrule;

namespace {

using Any = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Slopes = nb::ndarray<const double, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Sums = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Given = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Maps = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Streams = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<nb::ro, nb::device::cpu>;

// The member of an enumeration with this number.
template <class E>
E member(int number) {
    if (number < 0 || number >= static_cast<int>(names_of(E{}).size())) throw std::invalid_argument("no such number in an enumeration");
    return static_cast<E>(number);
}

template <class E>
const char* name_of(E value) {
    return names_of(E{})[static_cast<size_t>(value)];
}

// {name: number} of an enumeration.
template <class E>
nb::dict numbers() {
    nb::dict found;
    int number = 0;
    for (const char* name : names_of(E{})) found[name] = number++;
    return found;
}

// {name: names of its constants} of operations, activations and losses.
nb::dict constants() {
    nb::dict found;
    const auto add = [&](const char* name, std::initializer_list<const char*> given) {
        nb::list there;
        for (const char* constant : given)
            if (constant[0] != 0) there.append(constant);
        found[name] = nb::tuple(there);
    };
#define CHAINRULE_ADD(name, first, second, ...) add(#name, {first, second});
    CHAINRULE_OPS(CHAINRULE_ADD)
#undef CHAINRULE_ADD
#define CHAINRULE_ADD(name, constant, ...) add(#name, {constant});
    CHAINRULE_ACTIVATIONS(CHAINRULE_ADD)
    CHAINRULE_LOSSES(CHAINRULE_ADD)
#undef CHAINRULE_ADD
    return found;
}

// The activations that a dense may apply in place of its z, and the operations that can be trained on slopes.
nb::list fused() {
    nb::list found;
#define CHAINRULE_ADD(name, constant, is_fused) \
    if (is_fused) found.append(#name);
    CHAINRULE_ACTIVATIONS(CHAINRULE_ADD)
#undef CHAINRULE_ADD
    return found;
}
nb::list sloped() {
    nb::list found;
#define CHAINRULE_ADD(name, first, second, is_sloped) \
    if (is_sloped) found.append(#name);
    CHAINRULE_OPS(CHAINRULE_ADD)
#undef CHAINRULE_ADD
    return found;
}

// The engine of an instruction set.
struct Choice {
    std::string isa;
    bool runs;       // on this processor
    Products products;  // of bfloat16 numbers
    IntegerProducts integers;
    decltype(&baseline::make<float>) make_float, make_double;
    decltype(&baseline::check<float>) check_float, check_double;
    decltype(&baseline::layout_of) layout_of;
    decltype(&baseline::distort) distort;
    decltype(&baseline::derive<float>) derive_float, derive_double;
    decltype(&baseline::make_integers) make_integers;
};

const Processor& here() {
    static const Processor found = processor();
    return found;
}

// The engines of this module, the best first.
const std::vector<Choice>& choices() {
    static const std::vector<Choice> all = [] {
        std::vector<Choice> found;
        [[maybe_unused]] const Processor& here = ::here();
        [[maybe_unused]] const IntegerProducts pairs = IntegerProducts::pairs, best = here.vnni ? IntegerProducts::quads : pairs;
#define CHAINRULE_OF(isa) isa::make<float>, isa::make<double>, isa::check<float>, isa::check<double>, isa::layout_of, isa::distort, isa::derive<float>, isa::derive<double>, isa::make_integers
#if defined(CHAINRULE_HAS_avx512) && defined(CHAINRULE_PAIRS)
        found.push_back({"avx512bf16", here.avx512bf16, Products::pairs, best, CHAINRULE_OF(avx512)});  // AVX-512's engine, as the next two
#endif
#if defined(CHAINRULE_HAS_avx512)
        found.push_back({"avx512", here.avx512, Products::numbers, best, CHAINRULE_OF(avx512)});
        if (!here.has_fast_pairs) std::reverse(found.begin(), found.end());
#endif
#if defined(CHAINRULE_HAS_avx512) && defined(CHAINRULE_TILES)
        found.insert(found.begin(), {"amx", here.amx, Products::tiles, here.amx_int8 ? IntegerProducts::tiles : best, CHAINRULE_OF(avx512)});
#endif
#if defined(CHAINRULE_HAS_avx2)
        found.push_back({"avx2", here.avx2, Products::numbers, pairs, CHAINRULE_OF(avx2)});
#endif
#if defined(CHAINRULE_HAS_baseline)
        found.push_back({"baseline", true, Products::numbers, pairs, CHAINRULE_OF(baseline)});
#endif
#if defined(CHAINRULE_HAS_wide)
        found.push_back({"wide", here.avx2, Products::pairs, IntegerProducts::quads, CHAINRULE_OF(wide)});
        found.push_back({"wide_tiles", here.avx2, Products::tiles, IntegerProducts::quads, CHAINRULE_OF(wide)});
#endif
#undef CHAINRULE_OF
        return found;
    }();
    return all;
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
    for (const Choice& choice : choices())
        if (choice.runs) found.push_back(choice.isa);
    return found;
}

const Choice& chosen(const std::string& isa) {
    for (const Choice& choice : choices())
        if (choice.runs && choice.isa == isa) return choice;
    throw std::invalid_argument("no such instruction set: " + isa);
}

// The largest differences of the forward, the gradient and the transposing kernel from their naive versions.
std::tuple<double, double, double> check_kernels(const std::string& isa, int64_t rows, int64_t K, int64_t N, int64_t batch,
                                                 uint64_t seed, bool is_double) {
    if (rows < 1 || K < 1 || N < 1 || batch < 1) throw std::invalid_argument("sizes must be at least 1");
    const Choice& choice = chosen(isa);
    const auto found = (is_double ? choice.check_double : choice.check_float)(rows, K, N, batch, seed, choice.products);
    return {found[0], found[1], found[2]};
}

// Distorts images (n, height * width * channels) into `out` of their type, by maps (n, 6) and random streams (n,).
void distort(const std::string& isa, const Given& in, const Any& out, const std::vector<int64_t>& shape, const Maps& maps,
             const Streams& streams, const std::vector<float>& taps, double alpha, uint32_t key, double fill, bool is_nearest, int threads) {
    const bool is_image = shape.size() == 3 && std::all_of(shape.begin(), shape.end(), [](int64_t side) { return side > 0; });
    const bool fits = is_image && in.ndim() == 2 && static_cast<int64_t>(in.shape(1)) == shape[0] * shape[1] * shape[2] && out.ndim() == 2 &&
                      out.shape(0) == in.shape(0) && out.shape(1) == in.shape(1) && out.dtype() == in.dtype() && maps.shape(0) == in.shape(0) &&
                      maps.shape(1) == 6 && streams.shape(0) == in.shape(0) && (taps.empty() || taps.size() % 2 == 1);
    if (!fits) throw std::invalid_argument("images, maps and streams that do not fit each other");
    Pixel type = Pixel::uint8;
    if (in.dtype() == nb::dtype<float>()) type = Pixel::float32;
    else if (in.dtype() == nb::dtype<double>()) type = Pixel::float64;
    else if (in.dtype() != nb::dtype<uint8_t>()) throw std::invalid_argument("images must be uint8, float32 or float64");
    const Distortion given{shape[0], shape[1], shape[2], fill, is_nearest, taps, static_cast<float>(alpha), key};
    const auto run = chosen(isa).distort;
    const nb::gil_scoped_release released;
    run(given, type, in.data(), out.data(), static_cast<int64_t>(in.shape(0)), maps.data(), streams.data(), threads);
}

// A program's layout as a dict, for its test.
nb::dict analyzed(const Program& program, bool trains) {
    const Layout layout = chosen(instruction_sets().front()).layout_of(program, trains);
    nb::list needs_gradient, readers, accumulates, accumulates2, completes, is_delta;
    for (const auto& values : layout.values) needs_gradient.append(values.needs_gradient), readers.append(values.readers);
    for (const auto& part : layout.parts) {
        accumulates.append(part.accumulates), accumulates2.append(part.accumulates2);
        completes.append(part.completes), is_delta.append(part.is_delta);
    }
    nb::dict found;
    found["needs_gradient"] = needs_gradient, found["readers"] = readers, found["accumulates"] = accumulates;
    found["accumulates2"] = accumulates2, found["completes"] = completes, found["is_delta"] = is_delta;
    found["first_trained"] = layout.first_trained, found["growth"] = layout.growth, found["own_growth"] = layout.own_growth;
    return found;
}

// Samples from Python, an array or the (data, indices, indptr) of a CSR matrix; keeps the arrays alive.
struct PySamples {
    Values values, indices, indptr;
    Samples samples{};
    int64_t n;

    PySamples(nb::handle X, int64_t width) {
        const bool is_sparse = nb::isinstance<nb::tuple>(X);
        if (is_sparse) {
            const auto parts = nb::cast<std::tuple<Values, Values, Values>>(X);
            std::tie(values, indices, indptr) = parts;
            if (!is_vector(values) || !is_vector(indices) || !is_vector(indptr) || indptr.shape(0) == 0 ||
                values.shape(0) != indices.shape(0) || indices.dtype() != indptr.dtype())
                throw std::invalid_argument("a CSR matrix whose arrays do not fit each other");
            samples.wide = indptr.dtype() == nb::dtype<int64_t>();
            if (!samples.wide && indptr.dtype() != nb::dtype<int32_t>())
                throw std::invalid_argument("indices must be int32 or int64");
            samples.indices = indices.data(), samples.indptr = indptr.data();
            samples.entries = static_cast<int64_t>(indices.shape(0));
            n = static_cast<int64_t>(indptr.shape(0)) - 1;
        } else {
            values = nb::cast<Values>(X);
            if (values.ndim() != 2 || static_cast<int64_t>(values.shape(1)) != width)
                throw std::invalid_argument("X of a width that does not fit");
            samples.stride = values.stride(0) * static_cast<int64_t>(values.itemsize());
            samples.column = width == 1 ? 1 : values.stride(1);
            n = static_cast<int64_t>(values.shape(0));
        }
        samples.X = values.data();
        if (values.dtype() == nb::dtype<uint8_t>()) samples.type = 0;
        else if (values.dtype() == nb::dtype<float>()) samples.type = 1;
        else if (values.dtype() == nb::dtype<double>()) samples.type = 2;
        else throw std::invalid_argument("X must be uint8, float32 or float64");
    }

    // Whether indptr and indices of these rows of X (null: the first `count`) are within bounds.
    bool is_well_formed(const int64_t* rows, int64_t count, int64_t width) const {
        if (samples.indptr == nullptr) return true;
        return samples.wide ? fits<int64_t>(rows, count, width) : fits<int32_t>(rows, count, width);
    }

   private:
    static bool is_vector(const Values& array) {
        return array.ndim() == 1 && (array.shape(0) <= 1 || array.stride(0) == 1);
    }
    template <class I>
    bool fits(const int64_t* rows, int64_t count, int64_t width) const {
        const I *at = static_cast<const I*>(samples.indptr), *columns = static_cast<const I*>(samples.indices);
        const int64_t entries = static_cast<int64_t>(indices.shape(0));
        for (int64_t i = 0; i < count; ++i) {
            const int64_t row = rows ? rows[i] : i, begin = at[row], end = at[row + 1];
            if (begin < 0 || begin > end || end > entries) return false;
            bool known = true;
            for (int64_t e = begin; e < end; ++e) known &= columns[e] >= 0 && columns[e] < width;
            if (!known) return false;
        }
        return true;
    }
};

// The Python buffer of an object, released at the end of its scope; is_there: whether the object has one.
struct Buffer {
    Py_buffer view;
    const bool is_there;

    Buffer(nb::handle of, int flags) : is_there(PyObject_GetBuffer(of.ptr(), &view, flags) == 0) {
        if (!is_there) PyErr_Clear();
    }
    ~Buffer() {
        if (is_there) PyBuffer_Release(&view);
    }
    Buffer(const Buffer&) = delete;
};

// A loss that Python computes: a function of n and the smoothing, and the arrays out, y, value, gradient and is_correct, of as many
// rows as batches have at most; is_correct None where the largest outputs say it. None for none.
std::optional<OwnLoss> own_loss_of(const nb::object& given, int64_t width, int64_t outputs) {
    if (given.is_none()) return std::nullopt;
    const auto [compute, out, y, value, gradient, judged] = nb::cast<std::tuple<nb::object, Any, Any, Any, Any, nb::object>>(given);
    const std::optional<Any> is_correct = judged.is_none() ? std::nullopt : std::make_optional(nb::cast<Any>(judged));
    const auto rows = static_cast<int64_t>(value.ndim() == 1 ? value.shape(0) : 0);
    const auto fits = [&](const Any& array, int64_t columns) {
        return array.ndim() == 2 && static_cast<int64_t>(array.shape(1)) == rows && static_cast<int64_t>(array.shape(0)) == columns &&
               array.dtype() == value.dtype();
    };
    const bool is_double = value.dtype() == nb::dtype<double>();
    require((is_double || value.dtype() == nb::dtype<float>()) && fits(out, width) && fits(y, outputs) && fits(gradient, width) &&
                (!is_correct || (is_correct->ndim() == 1 && static_cast<int64_t>(is_correct->shape(0)) == rows && is_correct->dtype() == nb::dtype<bool>())),
            "the arrays of its loss do not fit");
    // The arrays live as long as the function.
    return OwnLoss{out.data(), y.data(), value.data(), gradient.data(), is_correct ? static_cast<const bool*>(is_correct->data()) : nullptr, rows, is_double,
                   [compute = compute, kept = given](int64_t n, double smoothing) { with_gil([&] { compute(n, smoothing); }); }};
}

class PySession {
   public:
    PySession(const std::string& isa, const Program& program, const Run& run, int64_t capacity, bool trains, bool is_double)
        : program_(program), is_double_(is_double), trains_(trains) {
        if (const auto& own = program.own_loss)
            require(own->rows >= run.batch_size && own->is_double == is_double, "the arrays of its loss do not fit the session");
        const Choice& choice = chosen(isa);
        session_.reset((is_double ? choice.make_double : choice.make_float)(program_, run, capacity, trains, choice.products));
    }

    void set_theta(const Any& theta) {
        const Alone alone(turns_, trains_);
        require_whole();
        session_->set_theta(vector(theta, program_.size));
    }
    void get_theta(const Any& theta) const {
        const Alone alone(turns_, trains_);
        require_whole();
        session_->get_theta(vector(theta, program_.size));
    }
    void set_state(int number, const Any& a, const Any& b) {
        const Alone alone(turns_, trains_);
        require_whole();
        session_->set_state(number, vector(a, program_.states.at(number)), vector(b, program_.states.at(number)));
    }
    void get_state(int number, const Any& a, const Any& b) const {
        const Alone alone(turns_, trains_);
        require_whole();
        session_->get_state(number, vector(a, program_.states.at(number)), vector(b, program_.states.at(number)));
    }
    int moments() const { return session_->moments(); }
    void set_moment(int number, const Any& values) {
        const Alone alone(turns_, trains_);
        require_whole();
        session_->set_moment(check_moment(number), vector(values, program_.size));
    }
    void get_moment(int number, const Any& values) const {
        const Alone alone(turns_, trains_);
        session_->get_moment(check_moment(number), vector(values, program_.size));
    }
    void keep_moments() {
        const Alone alone(turns_, trains_);
        session_->keep_moments();
        is_whole_ = false;
    }
    double mu_product() const {
        const Alone alone(turns_, trains_);
        return session_->mu_product();
    }
    void set_mu_product(double value) {
        const Alone alone(turns_, trains_);
        session_->set_mu_product(value);
    }

    // Steps completed by all calls, also by those that ended with an error.
    int64_t taken() const { return taken_; }

    std::tuple<int64_t, const char*> steps(nb::object X, nb::object labels, nb::object y, nb::object weight, const Ints& rows,
                                            const Doubles& rate, const Doubles& decay, const Doubles& dropout, const Doubles& penalty, const Doubles& smoothing,
                                            int64_t first, int64_t step_offset, const Sums& sums, nb::object slopes, nb::object slope_weight) {
        const Alone alone(turns_, trains_);
        require_whole();
        PySamples given(X, program_.widths.front());
        Samples& samples = given.samples;
        const int64_t n = given.n;
        Ints label_array;
        nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu> y_array;
        Doubles weights;
        bool fits = sums.shape(0) == 5;
        for (const Doubles* each : {&decay, &dropout, &penalty, &smoothing}) fits &= each->shape(0) == rate.shape(0);
        if (!weight.is_none()) {
            weights = nb::cast<Doubles>(weight);
            samples.weight = weights.data();
            fits &= static_cast<int64_t>(weights.shape(0)) == n;
        }
        if (!labels.is_none()) {
            label_array = nb::cast<Ints>(labels);
            samples.labels = label_array.data();
            fits &= static_cast<int64_t>(label_array.shape(0)) == n;
            for (int64_t i = 0; i < n && fits; ++i)
                fits &= samples.labels[i] >= 0 && samples.labels[i] < program_.outputs();
        } else {
            y_array = nb::cast<decltype(y_array)>(y);
            samples.y = y_array.data();
            fits &= static_cast<int64_t>(y_array.shape(0)) == n &&
                    static_cast<int64_t>(y_array.shape(1)) == program_.outputs();
        }
        Slopes slope_arrays[2];
        fits &= program_.slopes != slopes.is_none() && slopes.is_none() == slope_weight.is_none();
        if (program_.slopes && fits) {
            slope_arrays[0] = nb::cast<Slopes>(slopes), slope_arrays[1] = nb::cast<Slopes>(slope_weight);
            samples.slopes = slope_arrays[0].data(), samples.slope_weight = slope_arrays[1].data();
            for (const Slopes& each : slope_arrays)
                fits &= static_cast<int64_t>(each.shape(0)) == n && static_cast<int64_t>(each.shape(1)) == program_.outputs() &&
                        static_cast<int64_t>(each.shape(2)) == program_.widths.front();
        }
        for (size_t i = 0; i < rows.shape(0) && fits; ++i) fits &= rows.data()[i] >= 0 && rows.data()[i] < n;
        if (!fits) throw std::invalid_argument("samples of shapes that do not fit");
        check(given, rows.data(), static_cast<int64_t>(rows.shape(0)));
        Outcome outcome;
        {
            Unlocked unlocked;
            Signals signals(unlocked);
            outcome = session_->steps(samples, rows.data(), static_cast<int64_t>(rows.shape(0)),
                                      {rate.data(), decay.data(), dropout.data(), penalty.data(), smoothing.data()}, static_cast<int64_t>(rate.shape(0)), first, step_offset, sums.data(), std::ref(signals));
            taken_ += outcome.steps;
        }
        refuse_error();
        if (outcome.end == End::failed) std::rethrow_exception(outcome.failure);
        if (outcome.end == End::stopped) throw std::runtime_error("the steps were stopped, by a fork in a signal's handler");
        return {outcome.steps, name_of(outcome.end)};
    }

    // Writes the output of one row to out (outputs,) and returns its argmax. -1 if x cannot be read in place, or if x or the
    // output is not finite. Uses Python's buffers, which cost a tenth of nanobind's arrays.
    int64_t predict_row(nb::handle x, nb::handle out) {
        const Alone alone(turns_, trains_);
        require_whole();
        if (Py_TYPE(x.ptr()) != plain_ && PyObject_HasAttrString(x.ptr(), "mask")) return -1;  // the mask is not in its memory
        const int64_t inputs = program_.widths.front(), outputs = program_.widths.back();
        const Buffer read(x, PyBUF_ND | PyBUF_FORMAT), write(out, PyBUF_ND | PyBUF_FORMAT | PyBUF_WRITABLE);
        if (!read.is_there || !write.is_there) return -1;
        const Py_buffer &from = read.view, &to = write.view;
        Samples samples{};
        const char type = from.format[0] != 0 && from.format[1] == 0 ? from.format[0] : 0;
        samples.X = from.buf, samples.type = type == 'B' ? 0 : type == 'f' ? 1 : 2;
        const int64_t size = is_double_ ? 8 : 4;
        const bool fits = (type == 'B' || type == 'f' || type == 'd') && from.ndim > 0 && from.len == inputs * from.itemsize &&
                          from.shape[from.ndim - 1] == inputs && to.itemsize == size && to.len == outputs * size;
        if (!fits || !session_->predict(samples, 1, to.buf)) return -1;
        return is_double_ ? greatest(static_cast<const double*>(to.buf), outputs)
                          : greatest(static_cast<const float*>(to.buf), outputs);
    }

    // Writes out (n, outputs). Returns whether the samples are finite.
    bool predict(nb::object X, const Any& out) {
        const Alone alone(turns_, trains_);
        require_whole();
        const PySamples given(X, program_.widths.front());
        const int64_t n = given.n;
        check(given, nullptr, n);
        if (out.ndim() != 2 || static_cast<int64_t>(out.shape(0)) != n ||
            static_cast<int64_t>(out.shape(1)) != program_.widths.back())
            throw std::invalid_argument("out of a shape that does not fit");
        void* to = vector(out, n * program_.widths.back());
        bool is_finite;
        {
            Unlocked unlocked;
            Signals signals(unlocked);
            is_finite = session_->predict(given.samples, n, to, std::ref(signals));
        }
        refuse_error();
        return is_finite;
    }

   private:
    void require_whole() const {
        if (!is_whole_) throw std::runtime_error("this session is over; only its moments are left");
    }
    template <class T>
    static int64_t greatest(const T* out, int64_t n) {
        bool finite = true;
        for (int64_t j = 0; j < n; ++j) finite &= std::isfinite(out[j]);
        return finite ? std::max_element(out, out + n) - out : -1;
    }
    // Throws the exception of a signal handler that ran during the call.
    static void refuse_error() {
        if (PyErr_Occurred()) throw nb::python_error();
    }
    void check(const PySamples& given, const int64_t* rows, int64_t count) const {
        if (!given.is_well_formed(rows, count, program_.widths.front()))
            throw std::invalid_argument("a CSR matrix whose indptr or indices point outside of it");
    }
    void* vector(const Any& values, int64_t n) const {
        if (static_cast<int64_t>(values.size()) != n ||
            values.dtype() != (is_double_ ? nb::dtype<double>() : nb::dtype<float>()))
            throw std::invalid_argument("an array of another size or type than the session's");
        return values.data();
    }
    int check_moment(int number) const {
        if (number < 0 || number >= session_->moments()) throw std::out_of_range("no such moment");
        return number;
    }

    Program program_;
    bool is_double_, trains_, is_whole_ = true;
    std::unique_ptr<Session> session_;
    std::atomic<int64_t> taken_{0};
    mutable Turns turns_;
    const PyTypeObject* const plain_ =  // lives as long as NumPy, which is never unloaded
        reinterpret_cast<const PyTypeObject*>(nb::module_::import_("numpy").attr("ndarray").ptr());
};

// A network of 8-bit integers (integers.h).
class PyIntegers {
   public:
    using Int8s = nb::ndarray<const int8_t, nb::c_contig, nb::device::cpu>;
    using Int32s = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    // W (K, N); bias, multiplier, shift (N,); zero, zero_out, low; table (256,) or (0,)
    using Layer = std::tuple<Int8s, Int32s, Int32s, Int32s, int, int, int, Int8s>;

    PyIntegers(const std::string& isa, double scale, const std::vector<Layer>& layers, const Floats& numbers) {
        IntegerChain chain;
        chain.scale = static_cast<float>(scale), chain.numbers.assign(numbers.data(), numbers.data() + numbers.size());
        bool fits = !layers.empty() && chain.numbers.size() == 256;
        for (const auto& [W, bias, multiplier, shift, zero, zero_out, low, table] : layers) {
            fits &= W.ndim() == 2 && W.size() > 0 && (chain.layers.empty() || chain.layers.back().N == static_cast<int64_t>(W.shape(0)));
            fits &= (table.size() == 0 || table.size() == 256) && -128 <= zero && zero < 128 && -128 <= zero_out && zero_out < 128;
            fits &= -128 <= low && low < 128;
            if (!fits) break;
            IntegerLayer& made = chain.layers.emplace_back();
            made.K = static_cast<int64_t>(W.shape(0)), made.N = static_cast<int64_t>(W.shape(1));
            made.W.assign(W.data(), W.data() + W.size()), made.table.assign(table.data(), table.data() + table.size());
            for (const auto& [from, to] : {std::pair{&bias, &made.bias}, {&multiplier, &made.multiplier}, {&shift, &made.shift}}) {
                to->assign(from->data(), from->data() + from->size());
                fits &= static_cast<int64_t>(to->size()) == made.N;
            }
            for (const int32_t each : made.shift) fits &= -31 <= each && each <= 30;
            made.zero = zero, made.zero_out = zero_out, made.low = low;
        }
        if (!fits) throw std::invalid_argument("layers of 8-bit integers that do not fit each other");
        inputs_ = chain.layers.front().K, outputs_ = chain.layers.back().N;
        const Choice& choice = chosen(isa);
        net_ = choice.make_integers(chain, choice.integers);
    }

    // out (n, outputs) for X (n, inputs), which is dense; false if a number of X is not finite.
    bool predict(nb::handle X, const Any& out, int threads) const {
        constexpr int64_t TOGETHER = 1 << 16;  // rows between two looks at signals
        const PySamples given(X, inputs_);
        const int64_t n = given.n;
        if (given.samples.indptr != nullptr || out.ndim() != 2 || static_cast<int64_t>(out.shape(0)) != n ||
            static_cast<int64_t>(out.shape(1)) != outputs_ || out.dtype() != nb::dtype<float>())
            throw std::invalid_argument("X or out of a form that does not fit");
        bool is_finite = true;
        {
            Unlocked unlocked;
            Signals signals(unlocked);
            for (int64_t row = 0; row < n; row += TOGETHER) {
                if (row > 0 && signals()) break;
                is_finite &= net_->run(given.samples.from(row), std::min(TOGETHER, n - row), static_cast<float*>(out.data()) + row * outputs_, threads);
            }
        }
        if (PyErr_Occurred()) throw nb::python_error();
        return is_finite;
    }

   private:
    int64_t inputs_ = 0, outputs_ = 0;
    std::unique_ptr<IntegerNet> net_;
};

// Derivatives of a chain of dense layers by its inputs (chain.h).
class PyChain {
   public:
    using Layer = std::tuple<int64_t, int64_t, int64_t, int64_t, int, double>;  // K, N, W, b, function, c

    PyChain(const std::string& isa, const std::vector<Layer>& layers, int64_t size) : choice_(chosen(isa)), size_(size) {
        for (const auto& [K, N, W, b, function, c] : layers) {
            require(K > 0 && N > 0 && K <= size / N && W >= 0 && W <= size - K * N && b >= -1 && b <= size - N && (layers_.empty() || layers_.back().N == K),
                    "layers of a chain that do not fit each other");
            layers_.push_back({K, N, W, b, member<Activation>(function), c});
        }
        require(!layers_.empty(), "a chain without layers");
    }

    // out (n, k, K), or twice (n, k, K, K), for X (n, K) and vectors u (1, k, N) or (n, k, N), all of theta's type.
    void derive(const Given& theta, const Given& X, const Given& u, bool twice, const Any& out, int threads) const {
        const auto n = static_cast<int64_t>(X.size()) / layers_.front().K, K = layers_.front().K, N = layers_.back().N;
        const auto k = u.ndim() == 3 ? static_cast<int64_t>(u.shape(1)) : 0;
        const bool is_for_each_row = u.ndim() == 3 && u.shape(0) != 1, is_double = theta.dtype() == nb::dtype<double>();
        bool fits = static_cast<int64_t>(theta.size()) == size_ && static_cast<int64_t>(X.size()) == n * K && threads > 0;
        fits &= static_cast<int64_t>(u.size()) == (is_for_each_row ? n : 1) * k * N && static_cast<int64_t>(out.size()) == n * k * (twice ? K * K : K);
        const auto type = is_double ? nb::dtype<double>() : nb::dtype<float>();
        fits &= theta.dtype() == type && X.dtype() == type && u.dtype() == type && out.dtype() == type;
        if (!fits) throw std::invalid_argument("arrays that do not fit the chain");
        const nb::gil_scoped_release released;
        (is_double ? choice_.derive_double : choice_.derive_float)(layers_, {theta.data(), X.data(), n, u.data(), is_for_each_row, k, twice, out.data()}, threads);
    }

   private:
    const Choice& choice_;
    const int64_t size_;
    std::vector<ChainLayer> layers_;
};

// plan_fault of faults.h, for the tests; the place none cancels the plan.
void plan_named_fault(const std::string& place, const std::string& fault, int64_t first, int64_t times) {
    const auto number = [](const auto& names, const std::string& name) {
        const auto found = std::find(names.begin(), names.end(), name);
        if (found == names.end()) throw std::invalid_argument("no such place or fault: " + name);
        return static_cast<int>(found - names.begin());
    };
    plan_fault(member<Place>(number(names_of(Place{}), place)), member<Fault>(number(names_of(Fault{}), fault)), first, times);
}

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);  // a cache or a thread may hold a session until the process ends, which is no leak
    m.def("instruction_sets", &instruction_sets);
#if defined(CHAINRULE_TILES)
    m.attr("NO_AMX") = here().amx ? "" : here().no_amx;
#else
    m.attr("NO_AMX") = "this module was built without it";
#endif
    m.def("check_kernels", &check_kernels, "isa"_a, "rows"_a, "K"_a, "N"_a, "batch"_a, "seed"_a, "is_double"_a);
    m.def("distort", &distort, nb::kw_only(), "isa"_a, "images"_a, "out"_a, "shape"_a, "maps"_a, "streams"_a, "taps"_a, "alpha"_a, "key"_a,
          "fill"_a, "is_nearest"_a, "threads"_a);
    m.def("thread_limit", &chainrule_get_num_threads);
    m.def("plan_fault", &plan_named_fault, "place"_a, "fault"_a, "first"_a = 0, "times"_a = 1);
    m.def("passes_of_fault", &passes_of_fault);
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Changed& error) {
            const nb::object type = nb::module_::import_("chainrule.errors").attr("DataError");
            PyErr_SetString(type.ptr(), error.what());
        }
    });
    nb::class_<TeamSize>(m, "TeamSize")  // for its test
        .def(nb::init<int, int>())
        .def("count", &TeamSize::count)
        .def("steps", &TeamSize::steps)
        .def("took", &TeamSize::took);
    m.attr("OPS") = numbers<Kind>();
    m.attr("ACTIVATIONS") = numbers<Activation>();
    m.attr("LOSSES") = numbers<Loss>();
    m.attr("RULES") = numbers<Rule>();
    m.attr("CONSTANTS") = constants();
    m.attr("FUSED") = nb::frozenset(fused());
    m.attr("SLOPED") = nb::frozenset(sloped());
    nb::class_<Op>(m, "Op").def(
        "__init__",
        [](Op* self, int kind, int in, int in2, int out, std::vector<int> parameters, int state, int function, double c0, double c1,
           uint32_t stream, bool in_training, int groups, bool shares, std::vector<int32_t> columns) {
            new (self) Op{member<Kind>(kind), in, in2, out, std::move(parameters), state, member<Activation>(function), c0, c1, stream,
                          in_training, groups, shares, std::move(columns)};
        },
        nb::kw_only(), "kind"_a, "in_"_a, "in2"_a, "out"_a, "parameters"_a, "state"_a, "function"_a, "c0"_a, "c1"_a, "stream"_a,
        "in_training"_a, "groups"_a, "shares"_a, "columns"_a);
    nb::class_<Parameter>(m, "Parameter").def(
        "__init__",
        [](Parameter* self, int64_t start, std::vector<int64_t> shape, bool is_weight, bool is_trained, double rate, double decays) {
            new (self) Parameter{start, std::move(shape), is_weight, is_trained, rate, decays};
        },
        nb::kw_only(), "start"_a, "shape"_a, "is_weight"_a, "is_trained"_a, "rate"_a, "decays"_a);
    nb::class_<Program>(m, "Program")
        .def(
            "__init__",
            [](Program* self, std::vector<Op> ops, std::vector<Parameter> parameters, std::vector<int64_t> widths, std::vector<int64_t> states,
               int64_t size, int loss, std::vector<double> loss_c, double smoothing, const std::string& targets, int64_t members,
               double l2, double l1, double max_norm, double scale, double offset, std::vector<double> lower, std::vector<double> upper,
               const nb::object& own_loss, bool slopes) {
                const int64_t width = widths.empty() ? 0 : widths.back();
                new (self) Program{std::move(ops), std::move(parameters), std::move(widths), std::move(states), size, member<Loss>(loss),
                                   std::move(loss_c), smoothing, scale, offset, targets == "binary", targets == "classes", members, l2, l1, max_norm,
                                   std::move(lower), std::move(upper), own_loss_of(own_loss, width, width / std::max<int64_t>(1, members)), slopes};
            },
            nb::kw_only(), "ops"_a, "parameters"_a, "widths"_a, "states"_a, "size"_a, "loss"_a, "loss_c"_a, "smoothing"_a, "targets"_a,
            "members"_a = 1, "l2"_a, "l1"_a, "max_norm"_a, "scale"_a, "offset"_a, "lower"_a = std::vector<double>{}, "upper"_a = std::vector<double>{}, "own_loss"_a = nb::none(),
            "slopes"_a = false);
    nb::class_<Run>(m, "Run").def(
        "__init__",
        [](Run* self, int rule, double beta1, double beta2, double eps, double decay, bool uncorrected_eps, double clip_norm,
           double clip_value, int64_t batch_size, uint32_t seed, int threads, bool bf16) {
            new (self) Run{member<Rule>(rule), beta1, beta2, eps, decay, uncorrected_eps, clip_norm, clip_value, batch_size, seed, threads, bf16};
        },
        nb::kw_only(), "rule"_a = 0, "beta1"_a = 0.0, "beta2"_a = 0.0, "eps"_a = 0.0, "decay"_a = 0.0,
        "uncorrected_eps"_a = false, "clip_norm"_a = 0.0, "clip_value"_a = 0.0, "batch_size"_a, "seed"_a = 0, "threads"_a, "bf16"_a = false);
    m.def("analyze", &analyzed, "program"_a, "trains"_a);
    nb::class_<PySession>(m, "Session")
        .def(nb::init<const std::string&, const Program&, const Run&, int64_t, bool, bool>(), nb::kw_only(), "isa"_a, "program"_a,
             "run"_a, "capacity"_a, "trains"_a, "is_double"_a)
        .def("set_theta", &PySession::set_theta)
        .def("get_theta", &PySession::get_theta)
        .def("set_state", &PySession::set_state)
        .def("get_state", &PySession::get_state)
        .def("moments", &PySession::moments)
        .def("set_moment", &PySession::set_moment)
        .def("get_moment", &PySession::get_moment)
        .def("keep_moments", &PySession::keep_moments)
        .def("mu_product", &PySession::mu_product)
        .def("set_mu_product", &PySession::set_mu_product)
        .def("taken", &PySession::taken)
        .def("steps", &PySession::steps, nb::kw_only(), "X"_a, "labels"_a.none(), "y"_a.none(), "weight"_a.none(), "rows"_a, "rate"_a,
             "decay"_a, "dropout"_a, "penalty"_a, "smoothing"_a, "first"_a, "step_offset"_a, "sums"_a, "slopes"_a = nb::none(),
             "slope_weight"_a = nb::none())
        .def("predict", &PySession::predict)
        .def("predict_row", &PySession::predict_row);
    nb::class_<PyIntegers>(m, "Integers")
        .def(nb::init<const std::string&, double, const std::vector<PyIntegers::Layer>&, const PyIntegers::Floats&>(), nb::kw_only(), "isa"_a,
             "scale"_a, "layers"_a, "numbers"_a)
        .def("predict", &PyIntegers::predict);
    nb::class_<PyChain>(m, "Chain")
        .def(nb::init<const std::string&, const std::vector<PyChain::Layer>&, int64_t>(), nb::kw_only(), "isa"_a, "layers"_a, "size"_a)
        .def("derive", &PyChain::derive);
}
