// The engine in numbers of type T: allocation and access to parameters.
//
// Each instruction set compiles it twice, in float.cpp and in double.cpp: the compiler then has six files of about one size.
#pragma once

#include <stdexcept>

#include "checks.h"
#include "engine.h"
#include "predict.h"
#include "steps.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double WORK_AN_UPDATE = 24;  // operations that take as long as the update of a weight

template <class T>
Engine<T>::Engine(const Program& program, const Run& run, int64_t capacity, bool trains, Products products)
    : net_{program, run, trains, capacity == 1, products},
      settings_{run.rule, run.beta1, run.beta2, run.eps, run.decay, run.uncorrected_eps},
      ops_(operations(net_)),
      derived_(net_.slots.size()) {
    const Layout layout = layout_of(net_, ops_);
    int64_t room = 0;
    for (size_t o = 0; o < ops_.size(); ++o) {
        ops_[o]->part = layout.parts[o];
        room = std::max(room, ops_[o]->room());
    }
    for (size_t i = 0; i < program.widths.size(); ++i) {
        const auto& [needs_gradient, is_multiplied, readers] = layout.values[i];
        net_.buffers.push_back({program.widths[i], distance<T>(program.widths[i] + room), needs_gradient, is_multiplied});
    }
    consumers_of_input_ = layout.values[0].readers;
    first_trained_ = layout.first_trained, own_growth_ = layout.own_growth;
    growth_ = program.slopes ? std::numeric_limits<double>::infinity() : layout.growth;  // bends add to delta
    count_operations();
    const int most = trains ? team_size(run_.batch_size, WORK_A_THREAD / 2) : 0;
    if (trains) {
        team_ = TeamSize(most, team_size(run_.batch_size, WORK_A_THREAD));
        plan_tasks();
        plan_microbatches();
        if (net_.microbatch > 0) capacity = most * part_distance();
    }
    allocate_buffers(capacity);
    allocate_parameters();
    for (const auto& operation : ops_)
        if (operation->part.completes >= 0) ops_[operation->part.completes]->lead_to(*operation);
    for (const auto& operation : ops_) {
        operation->allocate(capacity);
        if (trains && operation->sums_batch) summing_.push_back(operation.get());
        for (size_t place = 0; place < operation->slots.size(); ++place)
            if (operation->is_derived_from(static_cast<int>(place)))
                derived_[operation->slots[place]].push_back({operation.get(), static_cast<int>(place)});
    }
    reserve_workspaces(most);
}

template <class T>
void Engine<T>::allocate_buffers(int64_t capacity) {
    for (Buffer<T>& buffer : net_.buffers) {
        buffer.a.resize(capacity * buffer.ld);
        if (buffer.needs_gradient) buffer.grad.resize(capacity * buffer.ld);
        buffer.slope.resize(net_.sloped_outputs() * capacity * buffer.ld), buffer.dot.resize(buffer.slope.size());
    }
    row_scores_.resize(capacity);
}

template <class T>
void Engine<T>::allocate_parameters() {
    net_.panels.resize(net_.slots.size());
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        const std::pair group{slot.rate, slot.decays};
        const auto found = std::find(groups_.begin(), groups_.end(), group);
        group_of_.push_back(static_cast<int>(found - groups_.begin()));
        if (found == groups_.end()) groups_.push_back(group);
        const int64_t n = slot.rows * padded<T>(slot.columns);
        Panels<T>& panels = net_.panels[s];
        panels.value.resize(n);
        if (!net_.is_trained(static_cast<int>(s))) continue;
        for (int k = 0; k < moments(); ++k) panels.moment[k].resize(n);
        if (run_.clip_norm > 0) panels.g.resize(n);
        if (program_.lower.empty()) continue;
        const auto bounds_of = [&](const std::vector<double>& given, Array<T>& bounds) {
            const auto first = given.begin() + slot.start;
            const std::vector<T> own(first, first + slot.rows * slot.columns);
            if (std::none_of(own.begin(), own.end(), [](T bound) { return std::isfinite(bound); })) return;
            bounds.resize(n);
            to_panels(own.data(), bounds.data(), slot.rows, slot.columns);
        };
        bounds_of(program_.lower, panels.lower), bounds_of(program_.upper, panels.upper);
    }
    steps_.resize(groups_.size());
    for (const int64_t width : program_.states) net_.states.push_back({Array<T>(padded<T>(width)), Array<T>(padded<T>(width))});
    for (const auto& operation : ops_)
        for (const int slot : operation->slots) operation->values.push_back(net_.panels[slot].value.data());
}

template <class T>
void Engine<T>::count_operations() {
    for (const auto& operation : ops_) sharing_ = std::max(sharing_, operation->repeats()), operations_ += operation->work() * double(1 + net_.sloped_outputs());
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        if (net_.is_trained(static_cast<int>(s))) update_operations_ += double(slot.rows * padded<T>(slot.columns)) * WORK_AN_UPDATE;
    }
}

// Allocates the workspaces of `count` threads.
template <class T>
void Engine<T>::reserve_workspaces(int count) {
    if (static_cast<int>(task_shares_.size()) < count) task_shares_ = std::vector<Share>(count), part_shares_ = std::vector<Share>(count);
    std::vector<Workspace<T>>& workspaces = net_.workspaces;
    workspaces.reserve(count);
    while (static_cast<int>(workspaces.size()) < count) {
        Workspace<T>& own = workspaces.emplace_back();
        own.tile.resize(4 * padded<T>(program_.widths.back()) * Simd<T>::LANES);
        if (net_.is_one_row) own.nonzero.resize(*std::max_element(program_.widths.begin(), program_.widths.end()));
        if (net_.trains)
            reserve(own, static_cast<int>(workspaces.size()) - 1, count);
        else
            for (const auto& operation : ops_) operation->reserve(own, static_cast<int64_t>(row_scores_.size()), 0);
    }
}

// Allocates what thread `number` of at most `most` needs in a step, so that no step allocates.
template <class T>
void Engine<T>::reserve(Workspace<T>& own, int number, int most) const {
    const int64_t batch = run_.batch_size, part = net_.microbatch;
    const bool may_share_columns = most > 1 && batch <= FEW_ROWS * most;
    const int64_t rows = part > 0 ? part : may_share_columns ? batch : std::min(batch, (batch + number) / (number + 1) + (net_.has_words() ? BLOCK : 0));
    int64_t gradient = GROUP * STRIP<T>, readers = 1;
    for (const Task& task : tasks_) gradient = std::max(gradient, task.rows() * padded<T>(task.columns()));
    for (const auto& operation : ops_) readers = std::max(readers, operation->readers());
    own.gradient.resize(gradient), own.readers.resize(readers);
    for (const auto& operation : ops_) operation->reserve(own, rows, part > 0 ? part : batch);
}

template <class T>
int Engine<T>::moments() const {
    switch (settings_.rule) {
        case Rule::gradient_descent: return 0;
        case Rule::momentum:
        case Rule::nesterov:
        case Rule::rmsprop:
        case Rule::adagrad: return 1;
        case Rule::amsgrad: return 3;
        default: return 2;
    }
}

template <class T>
void Engine<T>::set_theta(const void* theta) {
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        to_panels(static_cast<const T*>(theta) + slot.start, net_.panels[s].value.data(), slot.rows, slot.columns);
        refresh(static_cast<int>(s), 0, slot.rows, 0, slot.columns);
    }
    are_weights_large_.store(false);
    measures_all_.store(growth_ > MOST_GROWTH<T>);
    note_parameter(largest_of(static_cast<const T*>(theta), program_.size));
}

template <class T>
void Engine<T>::get_theta(void* theta) const {
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        from_panels(net_.panels[s].value.data(), static_cast<T*>(theta) + slot.start, slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::set_state(int number, const void* a, const void* b) {
    const int64_t n = program_.states[number];
    std::copy(static_cast<const T*>(a), static_cast<const T*>(a) + n, net_.states[number].a.begin());
    std::copy(static_cast<const T*>(b), static_cast<const T*>(b) + n, net_.states[number].b.begin());
}

template <class T>
void Engine<T>::get_state(int number, void* a, void* b) const {
    const int64_t n = program_.states[number];
    std::copy(net_.states[number].a.begin(), net_.states[number].a.begin() + n, static_cast<T*>(a));
    std::copy(net_.states[number].b.begin(), net_.states[number].b.begin() + n, static_cast<T*>(b));
}

template <class T>
void Engine<T>::set_moment(int number, const void* values) {
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        Array<T>& moment = net_.panels[s].moment[number];
        if (!moment.empty()) to_panels(static_cast<const T*>(values) + slot.start, moment.data(), slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::get_moment(int number, void* values) const {
    for (size_t s = 0; s < net_.slots.size(); ++s) {
        const Slot& slot = net_.slots[s];
        const Array<T>& moment = net_.panels[s].moment[number];
        if (!moment.empty()) from_panels(moment.data(), static_cast<T*>(values) + slot.start, slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::keep_moments() {
    for (Panels<T>& panels : net_.panels)
        for (Array<T>* array : {&panels.value, &panels.g}) Array<T>().swap(*array);
    ops_.clear();
    std::vector<Buffer<T>>().swap(net_.buffers), std::vector<Workspace<T>>().swap(net_.workspaces), Array<T>().swap(part_gradients_);
}

template <class T>
int Engine<T>::team_size(int64_t batch, double work_a_thread) const {
    const double work = (operations_ * double(batch) + update_operations_) / work_a_thread;
    return std::max(1, std::min<int>(run_.threads, static_cast<int>(std::min(work, 1024.0))));
}

template <class T>
Session* make(const Program& program, const Run& run, int64_t capacity, bool trains, Products products) {
    return new Engine<T>(program, run, capacity, trains, products);
}

}  // namespace chainrule::CHAINRULE_ISA
