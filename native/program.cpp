#include "program.h"

namespace chainrule {

Program::~Program() = default;
Session::~Session() = default;
Changed::~Changed() = default;

void refuse_change(const char* what) {
    throw Changed(std::string(what) + " was changed while it was read, by another thread; pass a copy, or change it after the call.");
}

void refuse_program(const char* what) { throw std::invalid_argument(std::string("a program that is not whole: ") + what); }

}  // namespace chainrule
