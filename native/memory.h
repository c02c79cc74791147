// Arrays that begin on a cache line, large ones on a huge page (madvise): reading down a column then needs a few TLB entries
// rather than one a row.
//
// In the instruction set's namespace, as is all code compiled for one: of two inline functions of one name the linker keeps
// either, and this processor may not have its instructions.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "faults.h"

// Under a sanitizer every array comes from `new`, whose bounds it knows. GCC and Clang say differently that there is one.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHAINRULE_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHAINRULE_SANITIZED 1
#endif
#if defined(__linux__) && !defined(CHAINRULE_SANITIZED)
#define CHAINRULE_MAPS 1
#include <sys/mman.h>
#else
#define CHAINRULE_MAPS 0
#endif

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t CACHE_LINE = 64;  // bytes

// Prefetches memory that is read or written soon, into the L2 cache or (LEVEL 1) into the L1 cache.
template <int LEVEL = 2>
inline void prefetch(const void* from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += CACHE_LINE) __builtin_prefetch(static_cast<const char*>(from) + at, 0, 4 - LEVEL);
}

constexpr std::size_t LARGE_PAGE = std::size_t{1} << 21, MAPPED = std::size_t{1} << 25;
inline std::size_t whole_pages(std::size_t bytes) { return (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE; }
inline std::align_val_t alignment(std::size_t bytes) {
    return std::align_val_t(bytes >= LARGE_PAGE ? LARGE_PAGE : std::size_t(CACHE_LINE));
}

// Zeroed memory. Blocks of MAPPED bytes or more come from mmap, which zeroes a page when a thread first touches it. Others come
// from the heap, which reuses what earlier sessions have freed. Not inlined, and for no type: arrays are resized in many places.
[[gnu::cold, gnu::noinline]] inline void* zeroed(std::size_t bytes) {
    passes(Place::allocation);
#if CHAINRULE_MAPS
    if (bytes >= MAPPED) {
        const std::size_t size = whole_pages(bytes);  // one huge page more, to align the block; its ends are unmapped
        void* found = mmap(nullptr, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (found == MAP_FAILED) throw std::bad_alloc();
        char* begin = static_cast<char*>(found);
        const std::size_t skip = (LARGE_PAGE - reinterpret_cast<std::uintptr_t>(begin) % LARGE_PAGE) % LARGE_PAGE;
        if (skip > 0) munmap(begin, skip);
        munmap(begin + skip + size, LARGE_PAGE - skip);
        madvise(begin + skip, size, MADV_HUGEPAGE);
        return begin + skip;
    }
#endif
    void* found = ::operator new(bytes, alignment(bytes));
#if CHAINRULE_MAPS
    if (bytes >= LARGE_PAGE) madvise(found, bytes, MADV_HUGEPAGE);
#endif
    return std::memset(found, 0, bytes);
}
[[gnu::cold, gnu::noinline]] inline void release(void* p, std::size_t bytes) {
#if CHAINRULE_MAPS
    if (bytes >= MAPPED) {
        munmap(p, whole_pages(bytes));
        return;
    }
#endif
    ::operator delete(p, alignment(bytes));
}

// The allocator of arrays. Its memory is zeroed, so `construct` does nothing.
template <class T>
struct Aligned {
    using value_type = T;

    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(zeroed(n * sizeof(T))); }
    void deallocate(T* p, std::size_t n) { release(p, n * sizeof(T)); }
    template <class U>
    void construct(U*) {}
    template <class U, class... Given>
    void construct(U* p, Given&&... given) {
        ::new (static_cast<void*>(p)) U(std::forward<Given>(given)...);
    }
    bool operator==(const Aligned&) const { return true; }
};

// Zeros when constructed. What it grows by later within its capacity is not zeroed.
template <class T>
using Array = std::vector<T, Aligned<T>>;

}  // namespace chainrule::CHAINRULE_ISA
