// What Python says, as plain data, checked: an error names what came and what was expected.
//
// The dataclasses of undim/pixels/jobs.py outlive the call and hold their arrays, and none is ever
// converted, so that pointers into them stay good.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>

#include "job.hpp"

namespace undim {

namespace nb = nanobind;

// Raises ValueError: "got <got>, expected <expected>".
void require(bool good, const std::string& got, const std::string& expected);

void check_threads(int threads);

Sample sample_of(nb::dlpack::dtype dtype);

template <typename Array>
std::int64_t extent(const Array& array, std::size_t axis) {
    return static_cast<std::int64_t>(array.shape(axis));
}

template <typename A, typename B>
bool same_shape(const A& a, const B& b) {
    bool same = a.ndim() == b.ndim();
    for (std::size_t axis = 0; same && axis < a.ndim(); ++axis)
        same = a.shape(axis) == b.shape(axis);
    return same;
}

// As Python writes it: "(4, 5, 3)".
template <typename Array>
std::string shape_of(const Array& array) {
    std::string text = "(";
    for (std::size_t axis = 0; axis < array.ndim(); ++axis)
        text += (axis ? ", " : "") + std::to_string(array.shape(axis));
    return text + ")";
}

// An array that Python holds, never a copy; TypeError where it is of another kind.
template <typename Array>
Array array_of(nb::handle object, const char* name) {
    Array array;
    if (!nb::try_cast(object, array, false)) {
        const std::string error =
            std::string("got ") + name + " of another type, dimension or order";
        throw nb::type_error(error.c_str());
    }
    return array;
}

Curve curve_of(nb::handle curve);
Filter filter_of(nb::handle filter);

}  // namespace undim
