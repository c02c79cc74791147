// Rows of a CSR matrix, read for the engines. Compiled once for all instruction sets: it has no vectors.
//
// rows: the rows' numbers in X, null for consecutive ones. Entries of one column are summed in their stored order and type. Indices
// are checked again, as another thread may have changed the matrix after the call's check: Changed is thrown, and nothing out of
// bounds is read or written.
#pragma once

#include "program.h"

namespace chainrule {

// Reads an index once: another thread may write it meanwhile, and the value that was checked must be the one used.
template <class I>
inline int64_t read_once(const I& index) {
    return *static_cast<const volatile I*>(&index);
}

// The number of entries in `count` rows, from the first one on.
int64_t count_entries(const Samples& samples, const int64_t* rows, int64_t count);

// a = scale X + shift as dense rows: rows r0 to r1 of a, which are `ld` apart and of which `width` columns are written.
template <class T>
void read_dense_rows(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, T* a, int64_t ld, int64_t width, T scale,
                     T shift);

// Writes to from (count,) where each row, from r0 on, begins in X, and to begin (count + 1,) where it may begin in a copy.
void place_rows(const Samples& samples, const int64_t* rows, int64_t r0, int64_t count, int64_t* from, int64_t* begin);

// Copies the entries of these rows times `scale`, so that each row's columns ascend and each stands once. Brings begin up to date,
// as rows with an entry that stands twice become shorter. is_shuffled: the rows are not neighbors, and are prefetched.
template <class T>
void read_entries(const Samples& samples, bool is_shuffled, const int64_t* from, int64_t* begin, int64_t count, int64_t width, T scale,
                  int32_t* columns, T* values);

}  // namespace chainrule
