// Arrays that begin on a cache line; large ones on a large page, which the system is asked for: walking down a column then
// needs a few entries of the processor's table of pages rather than one a row.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace chainrule {

constexpr int64_t CACHE_LINE = 64;  // bytes

template <class T>
struct Aligned {
    using value_type = T;
    static constexpr std::size_t LARGE_PAGE = std::size_t{1} << 21;

    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U>&) {}
    static std::align_val_t alignment(std::size_t bytes) {
        return std::align_val_t(bytes >= LARGE_PAGE ? LARGE_PAGE : std::size_t(CACHE_LINE));
    }
    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        void* found = ::operator new(bytes, alignment(bytes));
#if defined(__linux__)
        if (bytes >= LARGE_PAGE) madvise(found, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(found);
    }
    void deallocate(T* p, std::size_t n) { ::operator delete(p, alignment(n * sizeof(T))); }
    bool operator==(const Aligned&) const { return true; }
};

template <class T>
using Array = std::vector<T, Aligned<T>>;

}  // namespace chainrule
